"""What each file format says of a volume, and its voxels, whole or refused."""
