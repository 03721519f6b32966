"""The Integration Hub: one API between an application and the outside services it uses."""
