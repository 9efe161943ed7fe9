"""The local stack: a whole Moodle site on one machine, for developers."""
