"""Many CTs: found, named, labelled and summed up."""
