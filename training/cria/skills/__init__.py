"""One file for each thing that Cria can do: how its conversations are made."""
