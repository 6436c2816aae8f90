import Glibc
package import Logging
package import MailHubPlugin
package import SMTP

/// The DNS through libunbound: answers are cached and, with a trust anchor, validated by the library.
package final class UnboundResolver: NameResolver {
    /// From `"dns"` in config.json.
    package struct Settings: Sendable {
        /// `address@port`; empty for the system's resolvers.
        package var servers: [String]
        /// Whether AAAA records are asked for.
        package var usesIPv6: Bool
        /// How long one look-up may take: at least a second.
        package var timeLimit: Duration
        /// The keys to validate with; `nil` for no validation.
        package var trustAnchorFile: String?

        package init(
            servers: [String] = [],
            usesIPv6: Bool = true,
            timeLimit: Duration = .seconds(10),
            trustAnchorFile: String? = nil
        ) {
            self.servers = servers
            self.usesIPv6 = usesIPv6
            self.timeLimit = timeLimit
            self.trustAnchorFile = trustAnchorFile
        }
    }
    private enum RecordType: Int32 { case a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28 }

    private let context: UnboundContext
    private let settings: Settings
    private let logger: Logger

    /// - Throws: where the library cannot be set up: a malformed server, an unreadable key file.
    package init(settings: Settings, logger: Logger) throws {
        let context = try UnboundContext(servers: settings.servers, trustAnchorFile: settings.trustAnchorFile)
        self.context = context
        self.settings = settings
        self.logger = logger
        try Self.startThread { context.process() }
    }

    /// Ends the library's thread; look-ups fail from now on.
    package func shutDown() { self.context.shutDown() }

    deinit { self.context.shutDown() }

    package func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> {
        switch await self.look(up: domain, .mx) {
        case .success(let answer) where answer.isNameMissing: return .notFound
        case .success(let answer):
            let exchangers = answer.records.compactMap(ResourceData.mailExchanger)
            // Records that cannot be read are not the same as no records: no implicit MX.
            guard !exchangers.isEmpty || answer.records.isEmpty else { return .unavailable("malformed MX records") }
            return .found(exchangers)
        case .failure(let failure): return .unavailable("MX \(domain): \(failure)")
        }
    }

    package func addresses(of host: String) async -> Lookup<[IPAddress]> {
        async let second = self.records(host, .a, ResourceData.address)
        let first = self.settings.usesIPv6 ? await self.records(host, .aaaa, ResourceData.address) : .notFound
        switch (first, await second) {
        case (.found(let six), .found(let four)): return .found(six + four)
        case (.found(let some), .notFound), (.notFound, .found(let some)), (.found(let some), .unavailable),
            (.unavailable, .found(let some)):
            return .found(some)
        case (.notFound, .notFound): return .notFound
        case (.unavailable(let why), _), (_, .unavailable(let why)): return .unavailable(why)
        }
    }

    package func texts(of name: String) async -> Lookup<[String]> {
        await self.records(name, .txt, ResourceData.text)
    }

    package func names(of address: IPAddress) async -> Lookup<[String]> {
        await self.records(ResourceData.reverseName(of: address), .ptr) { ResourceData.name($0[...]) }
    }

    private func records<Value: Sendable>(
        _ name: String,
        _ type: RecordType,
        _ parse: ([UInt8]) -> Value?
    ) async -> Lookup<[Value]> {
        switch await self.look(up: name, type) {
        case .success(let answer):
            let values = answer.records.compactMap(parse)
            return values.isEmpty ? .notFound : .found(values)
        case .failure(let failure):
            return .unavailable("\(name): \(failure)")
        }
    }

    private func look(up name: String, _ type: RecordType) async -> Result<UnboundAnswer, UnboundFailure> {
        guard !name.isEmpty, name.utf8.count <= 253, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .success(UnboundAnswer(records: [], isNameMissing: true, isSecure: false))
        }
        return await self.context.query(name, type: type.rawValue, limit: self.settings.timeLimit)
    }

    /// Starts a thread of its own: it ends with the context.
    private static func startThread(_ body: @escaping @Sendable () -> Void) throws(UnboundFailure) {
        final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        var thread = pthread_t()
        let reference = unsafe Unmanaged.passRetained(Body(body))
        let code = unsafe pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            reference.toOpaque()
        )
        guard code == 0 else {
            unsafe reference.release()
            throw UnboundFailure(description: "no thread for the DNS")
        }
        pthread_detach(thread)
    }
}
