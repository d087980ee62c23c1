"""The one durable store beside the models: what outlives a restart."""
