from msvit.engine.seed_hook import IterationSeedHook
