"""The exceptions of tinygpt, one tree:

TinyGPTError                what a command line catches, prints as one sentence and exits 1 for
├── ConfigError             a setting that cannot be (also a ValueError)
├── ShapeError              an array of the wrong shape (also a ValueError)
├── VocabularyError         a character or token id that the tokenizer does not know (a ValueError)
├── DataError               text or token files that are missing, empty, too short or damaged
├── CheckpointError         a checkpoint that is missing, foreign, damaged or hostile
├── BackendError            a device that is not there
└── AssignmentError         an assignment or a submission that cannot be used

Each message says what came, what is needed, and what to do.
"""


class TinyGPTError(Exception):
    """Base of every error that a user of tinygpt can cause and mend."""


class ConfigError(TinyGPTError, ValueError):
    """A setting, or a combination of settings, that cannot be."""


class ShapeError(TinyGPTError, ValueError):
    """An array whose shape does not fit."""


class VocabularyError(TinyGPTError, ValueError):
    """A character or a token id outside the vocabulary."""


class DataError(TinyGPTError):
    """Text or token files that cannot be used."""


class CheckpointError(TinyGPTError):
    """A checkpoint file that cannot be used."""


class BackendError(TinyGPTError):
    """A device or array library that is not available."""


class AssignmentError(TinyGPTError):
    """An assignment, a released tree or a folder of submissions that cannot be used."""
