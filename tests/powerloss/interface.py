"""The parts of SQLite's interface to the operating system that the recorder needs, for ctypes."""

import ctypes
import importlib
from types import ModuleType

OK = 0
Address = ctypes.c_void_p
Int, Int64 = ctypes.c_int, ctypes.c_int64


class Methods(ctypes.Structure):
    """sqlite3_io_methods, without mapped memory, which comes with version 3."""

    _fields_ = [
        ("iVersion", Int),
        *((name, Address) for name in ("xClose", "xRead", "xWrite", "xTruncate", "xSync")),
        *((name, Address) for name in ("xFileSize", "xLock", "xUnlock", "xCheckReservedLock")),
        *((name, Address) for name in ("xFileControl", "xSectorSize", "xDeviceCharacteristics")),
        *((name, Address) for name in ("xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap")),
    ]


class Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = [
        *(("iVersion", Int), ("szOsFile", Int), ("mxPathname", Int)),
        *(("pNext", Address), ("zName", ctypes.c_char_p), ("pAppData", Address)),
        *((name, Address) for name in ("xOpen", "xDelete", "xAccess", "xFullPathname")),
        *((name, Address) for name in ("xDlOpen", "xDlError", "xDlSym", "xDlClose")),
        *((name, Address) for name in ("xRandomness", "xSleep", "xCurrentTime", "xGetLastError")),
        *((name, Address) for name in ("xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall")),
        ("xNextSystemCall", Address),
    ]


Open = ctypes.CFUNCTYPE(Int, Address, Address, Address, Int, Address)
Delete = ctypes.CFUNCTYPE(Int, Address, Address, Int)
Close = ctypes.CFUNCTYPE(Int, Address)
Write = ctypes.CFUNCTYPE(Int, Address, Address, Int, Int64)
Truncate = ctypes.CFUNCTYPE(Int, Address, Int64)
Sync = ctypes.CFUNCTYPE(Int, Address, Int)
OpenDirectory = ctypes.CFUNCTYPE(Int, Address, Address)
GetSystemCall = ctypes.CFUNCTYPE(Address, Address, ctypes.c_char_p)
SetSystemCall = ctypes.CFUNCTYPE(Int, Address, ctypes.c_char_p, Address)


def address(thing: object) -> int:
    """Of a callback, or of what a pointer points to."""
    return ctypes.cast(thing, Address).value or 0


def symbols(library: ModuleType) -> ctypes.CDLL:
    """The SQLite that a Python module (sqlite3, pysqlite3) uses. LookupError: it is hidden."""
    extension = importlib.import_module(library.connect.__module__)
    loaded = ctypes.CDLL(getattr(extension, "__file__", None))
    try:
        loaded.sqlite3_libversion.restype = ctypes.c_char_p
        loaded.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        found = loaded.sqlite3_libversion().decode()
    except AttributeError as error:
        raise LookupError(f"{library.__name__} hides the symbols of its SQLite") from error
    if found != library.sqlite_version:
        raise LookupError(f"{library.__name__} uses SQLite {library.sqlite_version}, not {found}")
    return loaded
