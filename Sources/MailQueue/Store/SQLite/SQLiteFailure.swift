import GRDB
import GRDBSQLite

/// An SQLite call that failed.
struct SQLiteFailure: Error, CustomStringConvertible {
    /// The extended result code.
    let code: Int32
    /// SQLite's own words.
    let message: String

    var description: String { "SQLite \(self.code): \(self.message)" }

    /// Whether the file is not a database, or one whose pages contradict each other.
    var isCorruption: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB].contains(self.code & 0xFF) }

    /// A failure of our own calls or of GRDB's.
    init?(_ error: any Error) {
        if let failure = error as? SQLiteFailure {
            self = failure
        } else if let error = error as? DatabaseError {
            self.init(code: error.extendedResultCode.rawValue, message: error.message ?? error.description)
        } else {
            return nil
        }
    }

    init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }

    /// What it means to users of the store.
    var storeError: StoreError {
        switch self.code & 0xFF {
        case SQLITE_FULL:
            return .noSpace
        case SQLITE_IOERR:
            // A write-ahead log or its index that cannot grow is reported in this way, too.
            let writing: Set<Int32> = [3, 4, 5, 6, 19]  // WRITE, FSYNC, DIR_FSYNC, TRUNCATE, SHMSIZE
            return writing.contains(self.code >> 8) ? .noSpace : .unavailable(self.description)
        default:
            return .unavailable(self.description)
        }
    }
}

extension StoreError {
    /// What any error that is thrown within the store means to its users.
    init(_ error: any Error) {
        if let error = error as? StoreError {
            self = error
        } else if let failure = SQLiteFailure(error) {
            self = failure.storeError
        } else if let failure = error as? SystemCallFailure {
            self = failure.storeError
        } else {
            self = .unavailable("\(error)")
        }
    }
}
