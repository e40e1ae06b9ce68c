"""The commands, a module each: its docstring is the help, ``add_arguments`` and ``run`` are called by `msvit.cli.main`."""
