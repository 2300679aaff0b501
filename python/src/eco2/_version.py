"""The package's version; the library's must be the same, and a test compares it with the workspace's."""

VERSION = "0.2.0"
