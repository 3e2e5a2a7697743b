"""The configurator: controller → parts. It has the last revision on its disk, and goes on without the controller."""
