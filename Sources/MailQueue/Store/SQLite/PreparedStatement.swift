import GRDB
import GRDBSQLite
import NIOCore

/// A statement that is compiled once and run for every message: GRDB's own statements box each value that they bind.
///
/// Owns one `sqlite3_stmt *`, finalized once. Like the connection that it belongs to, it is used on one thread at a time.
@safe
final class PreparedStatement {
    private let pointer: OpaquePointer
    private let connection: OpaquePointer

    /// Compiles `sql` for as long as the connection lives; it must not outlive it.
    init(_ database: Database, _ sql: String) throws {
        guard let connection = unsafe database.sqliteConnection else {
            throw SQLiteFailure(code: SQLITE_MISUSE, message: "the database is closed")
        }
        var pointer: OpaquePointer?
        let code = unsafe sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard code == SQLITE_OK, let statement = unsafe pointer else {
            throw unsafe SQLiteFailure(code: code, message: String(cString: sqlite3_errmsg(connection)))
        }
        unsafe self.pointer = statement
        unsafe self.connection = connection
    }

    deinit { unsafe sqlite3_finalize(self.pointer) }

    // MARK: Parameters, counted from 1. They stay bound until bound again.

    func bind(_ value: Int64, at index: Int32) { unsafe sqlite3_bind_int64(self.pointer, index, value) }

    func bind(_ value: Int64?, at index: Int32) {
        guard let value else { return self.bindNull(at: index) }
        unsafe sqlite3_bind_int64(self.pointer, index, value)
    }

    func bindNull(at index: Int32) { unsafe sqlite3_bind_null(self.pointer, index) }

    func bind(_ text: String?, at index: Int32) {
        guard var text else { return self.bindNull(at: index) }
        text.withUTF8 { bytes in
            // SQLITE_TRANSIENT: SQLite makes its own copy.
            let copying = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            // An empty String may have no address, which SQLite would take for NULL.
            guard let start = bytes.baseAddress else {
                _ = unsafe sqlite3_bind_text(self.pointer, index, "", 0, copying)
                return
            }
            _ = unsafe start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { start in
                unsafe sqlite3_bind_text(self.pointer, index, start, Int32(clamping: bytes.count), copying)
            }
        }
    }

    /// Runs the statement with octets that are not copied beforehand.
    func run(withBlob buffer: ByteBuffer, at index: Int32) throws {
        try unsafe buffer.withUnsafeReadableBytes { bytes in
            // SQLITE_STATIC is sound: the binding is dropped before the octets go out of scope.
            if let start = bytes.baseAddress, bytes.count > 0 {
                unsafe sqlite3_bind_blob64(self.pointer, index, start, UInt64(bytes.count), nil)
            } else {
                unsafe sqlite3_bind_zeroblob(self.pointer, index, 0)
            }
            defer { unsafe sqlite3_bind_null(self.pointer, index) }
            try self.run()
        }
    }

    // MARK: Execution

    /// Runs the statement to its end; rows are ignored.
    func run() throws {
        while try self.step() {}
    }

    /// Goes to the next row; `false` at the end, where the statement is ready for the next run.
    func step() throws -> Bool {
        switch unsafe sqlite3_step(self.pointer) {
        case SQLITE_ROW:
            return true
        case SQLITE_DONE:
            unsafe sqlite3_reset(self.pointer)
            return false
        default:
            let code = unsafe sqlite3_extended_errcode(self.connection)
            let failure = unsafe SQLiteFailure(code: code, message: String(cString: sqlite3_errmsg(self.connection)))
            unsafe sqlite3_reset(self.pointer)
            throw failure
        }
    }

    /// Ends a run before its last row.
    func reset() { unsafe sqlite3_reset(self.pointer) }

    /// Rows that the last run changed.
    var changes: Int { unsafe Int(sqlite3_changes(self.connection)) }

    // MARK: Columns of the present row, counted from 0

    func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(self.pointer, column) == SQLITE_NULL }

    func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(self.pointer, column) }

    func optionalInteger(_ column: Int32) -> Int64? { self.isNull(column) ? nil : self.integer(column) }

    /// The text; ill-formed UTF-8 is repaired with U+FFFD, which no parser of ours takes for an address.
    func text(_ column: Int32) -> String? {
        guard let start = unsafe sqlite3_column_text(self.pointer, column) else { return nil }
        let count = unsafe Int(sqlite3_column_bytes(self.pointer, column))
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    func blob(_ column: Int32) -> ByteBuffer {
        guard let start = unsafe sqlite3_column_blob(self.pointer, column) else { return ByteBuffer() }
        let count = unsafe Int(sqlite3_column_bytes(self.pointer, column))
        return unsafe ByteBuffer(bytes: UnsafeRawBufferPointer(start: start, count: count))
    }
}
