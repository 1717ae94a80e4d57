"""The words, numbers and colours that command line, tray and window share."""
