"""The command line: it reads arguments, calls the library, and shows what that gives back."""
