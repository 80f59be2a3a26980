"""The errors a person may meet, each saying what was found where, what was expected and what to do."""


class MeterwrightError(Exception):
    """Something went wrong that has a sentence for the person who reads it."""


class UsageError(MeterwrightError):
    """The command line, a time or a path does not make sense."""


class RegistryError(MeterwrightError):
    """A registry file is wrong. The message lists every fault found, one a line, with file, row and key."""


class PolicyError(MeterwrightError):
    """policy.toml is wrong: the message names the key, what was found and what is allowed."""


class WorkspaceBusyError(MeterwrightError):
    """Another run holds the workspace."""


class LakeError(MeterwrightError):
    """The lake's own record is damaged or was written by a version that this one cannot read."""
