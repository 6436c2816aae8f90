import Synchronization

/// The certificate by which servers that ask for one know the hub, with the files as they were when they were last read.
package final class ClientCertificate: Sendable {
    private struct State {
        var identity: TLSIdentity
        var stamps: [FileStamp]
        /// How often it has changed.
        var changes = 0
    }
    package let files: CertificateFiles
    private let state: Mutex<State>

    /// Reads the files.
    package init(_ files: CertificateFiles) throws(TLSFileProblem) {
        self.files = files
        // The stamps first: what changes during the reading is read again.
        let stamps = Self.stamps(files)
        self.state = Mutex(State(identity: try Self.load(files), stamps: stamps))
    }

    /// Reads the files again if one has changed; blocks, so not to be called on an event loop.
    package func reloadIfChanged() -> CertificateReload {
        let stamps = Self.stamps(self.files)
        guard stamps != self.state.withLock({ $0.stamps }) else { return .unchanged }
        do throws(TLSFileProblem) {
            let identity = try Self.load(self.files)
            self.state.withLock { $0 = State(identity: identity, stamps: stamps, changes: $0.changes + 1) }
            return .reloaded
        } catch {
            self.state.withLock { $0.stamps = stamps }  // told once
            return .failed("\(error)")
        }
    }

    /// The one in force, and how often it has changed: a session is resumed only by whom it was begun by.
    var current: (identity: TLSIdentity, changes: Int) { self.state.withLock { ($0.identity, $0.changes) } }

    /// What is in it.
    package var facts: CertificateFacts { self.current.identity.facts }

    private static func stamps(_ files: CertificateFiles) -> [FileStamp] {
        [files.chain, files.key].map { FileStamp(path: $0) }
    }

    private static func load(_ files: CertificateFiles) throws(TLSFileProblem) -> TLSIdentity {
        let identity = try TLSIdentity(files)
        do throws(ContextFailure) {
            // Whether OpenSSL takes it at all: a key may be too short.
            try TLSContext(.client, securityLevel: ClientTLS.strictLevel).use(identity)
        } catch {
            throw TLSFileProblem(
                purpose: .chain,
                path: files.chain,
                message: "cannot be used (\(error))",
                fix: "name a certificate with an ECDSA key, or with an RSA key of at least 2048 bits"
            )
        }
        return identity
    }
}
