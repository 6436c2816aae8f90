import COpenSSL
import Synchronization

/// Sessions that servers have given us to resume (RFC 8446 section 4.6.1): each is used once.
final class ClientSessions: Sendable {
    /// Owns one `SSL_SESSION *`, freed once.
    ///
    /// It is handed from the table to one connection, so no two threads use it at a time.
    @safe final class Session: Sendable {
        nonisolated(unsafe) private let pointer: OpaquePointer
        init(takingOwnershipOf pointer: OpaquePointer) { unsafe self.pointer = pointer }
        deinit { unsafe SSL_SESSION_free(self.pointer) }
        func withPointer(_ body: (OpaquePointer) -> Void) { unsafe body(self.pointer) }
    }
    /// The most destinations remembered.
    private static let most = 500
    private let sessions = Mutex<[String: Session]>([:])

    func take(_ key: String) -> Session? { self.sessions.withLock { $0.removeValue(forKey: key) } }

    func put(_ session: Session, for key: String) {
        self.sessions.withLock { sessions in
            if sessions.count >= Self.most, sessions[key] == nil, let other = sessions.keys.first {
                sessions[other] = nil
            }
            sessions[key] = session
        }
    }

    /// Called by OpenSSL with each new session.
    ///
    /// - Returns: 1: the session is ours now.
    static let keep: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
        guard let ssl = unsafe ssl, let session = unsafe session, let buffers = unsafe RecordBuffers.of(ssl),
            let place = buffers.sessions
        else { return 0 }
        place.table.put(unsafe Session(takingOwnershipOf: session), for: place.key)
        return 1
    }
}
