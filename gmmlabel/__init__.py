"""Label the lung tissue of a chest CT with a Gaussian mixture over Hounsfield units."""
