"""The kernels: arrays in, arrays out.

`packed` opens with the 6-neighbour cross, `components` finds islands, `ball` closes with a ball
in mm or voxels, `median` smooths label maps, `lookup` labels through a table. Each is tested
against SciPy or SimpleITK.
"""
