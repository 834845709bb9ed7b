"""The running agent: observers bring events, the engine decides, the journal makes it durable, then it is done."""
