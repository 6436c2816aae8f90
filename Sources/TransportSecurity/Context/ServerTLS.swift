import NIOCore
import Synchronization

/// What a look at the files of certificates has led to.
package enum CertificateReload: Hashable, Sendable {
    case unchanged
    case reloaded
    /// The files have changed and cannot be used, as the text says: those of before are kept.
    case failed(String)
}

/// TLS for a listener's connections, with the files as they were when they were last read.
///
/// Connections keep the certificates that they began with; new ones get those of the last successful reading.
package final class ServerTLS: Sendable {
    private struct State {
        var contexts: ServerContexts
        var stamps: [FileStamp]
        var loaded: NIODeadline
    }
    package let settings: ServerTLSSettings
    private let state: Mutex<State>
    /// Tickets are made with keys of the context: new ones at least so often.
    private static let ticketKeyLifetime = TimeAmount.hours(12)

    /// Reads the files.
    package init(_ settings: ServerTLSSettings) throws(ServerTLSProblems) {
        self.settings = settings
        // The stamps first: what changes during the reading is read again.
        let stamps = Self.stamps(settings)
        self.state = Mutex(State(contexts: try Self.load(settings), stamps: stamps, loaded: .now()))
    }

    /// Reads the files again if one has changed; blocks, so not to be called on an event loop.
    package func reloadIfChanged() -> CertificateReload {
        let stamps = Self.stamps(self.settings)
        let (known, loaded) = self.state.withLock { ($0.stamps, $0.loaded) }
        let hasChanged = stamps != known
        guard hasChanged || loaded + Self.ticketKeyLifetime < .now() else { return .unchanged }
        do {
            let contexts = try Self.load(self.settings)
            self.state.withLock { $0 = State(contexts: contexts, stamps: stamps, loaded: .now()) }
            return hasChanged ? .reloaded : .unchanged
        } catch {
            // Told once: the next look is at what changes after this.
            self.state.withLock {
                $0.stamps = stamps
                $0.loaded = .now()
            }
            return .failed("\(error)")
        }
    }

    /// The contexts in force.
    var contexts: ServerContexts { self.state.withLock { $0.contexts } }

    /// Seconds since 1970 when the first of the certificates ends.
    package var notAfter: Int64 { self.contexts.notAfter }

    private static func stamps(_ settings: ServerTLSSettings) -> [FileStamp] {
        let paths =
            settings.certificates.flatMap { [$0.chain, $0.key] } + [settings.clientAuthorities].compactMap(\.self)
        return paths.map { FileStamp(path: $0) }
    }

    private static func load(_ settings: ServerTLSSettings) throws(ServerTLSProblems) -> ServerContexts {
        var problems: [ServerTLSProblem] = []
        var identities: [TLSIdentity] = []
        for (index, files) in settings.certificates.enumerated() {
            do {
                identities.append(try TLSIdentity(files))
            } catch {
                problems.append(.certificate(index, error))
            }
        }
        var authorities: PEMFile?
        if let path = settings.clientAuthorities {
            do {
                let file = try PEMFile(path: path, purpose: .authorities)
                try file.forEachCertificate { _ in }
                authorities = file
            } catch {
                problems.append(.clientAuthorities(error))
            }
        } else if settings.clientCertificates != .none {
            problems.append(.settings("client certificates are asked for, and no authority is named to trust"))
        }
        if settings.certificates.isEmpty { problems.append(.settings("no certificate is named")) }
        guard problems.isEmpty else { throw ServerTLSProblems(problems: problems) }
        do {
            return try ServerContexts(identities, settings, authorities: authorities)
        } catch {
            throw ServerTLSProblems(problems: [.settings("TLS cannot be set up: \(error)")])
        }
    }
}
