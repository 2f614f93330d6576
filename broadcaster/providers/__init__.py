"""The companies that carry messages, one package each; nothing outside knows how they speak."""
