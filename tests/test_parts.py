"""The table of names: every part is where it says, for configs with OpenMMLab and without."""

import pytest
from mmengine import registry as roots

from msvit import registry as own
from msvit.parts import PARTS, build_part, find_part

ENTRIES = [(kind, name) for kind, names in PARTS.items() for name in names]


@pytest.mark.parametrize(('kind', 'name'), ENTRIES, ids=str)
def test_every_part_is_found_by_its_name(kind, name):
    (root,) = {value for value in vars(roots).values() if isinstance(value, roots.Registry) and value.name == kind}
    part = find_part(kind, name)
    assert callable(part)
    assert root.get(f'msvit.{name}') is part


def test_every_registry_of_the_table_is_there():
    assert {value.name for value in vars(own).values() if isinstance(value, own.PartsRegistry)} == PARTS.keys()


def test_what_others_registered_is_built_too():
    @own.MODELS.register_module(name='SomeonesGate', force=True)
    class SomeonesGate:
        def __init__(self, coarse_patch_size=32, share=0.0):
            self.given = coarse_patch_size, share

    for kind in ('SomeonesGate', 'msvit.SomeonesGate', SomeonesGate):
        built = build_part(dict(type=kind, share=0.5), 'Gate', coarse_patch_size=16, unknown=1)
        assert built.given == (16, 0.5)
