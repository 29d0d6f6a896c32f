"""Pure. Adoption: schemas, settings and reasons from the JSON state and the deltas that a repository has already."""
