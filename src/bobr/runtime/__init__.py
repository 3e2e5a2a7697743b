"""What makes parts move, whatever they do: their process, their line to the controller, their supervisor."""
