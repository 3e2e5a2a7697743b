"""What makes parts move, whatever they do: their process, their line of command, their supervisor."""
