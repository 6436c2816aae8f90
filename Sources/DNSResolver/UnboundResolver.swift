import Foundation
import Glibc
package import MailHubPlugin
package import SMTP

/// The DNS through libunbound: answers are cached and, with a trust anchor, validated by the library.
package struct UnboundResolver: ValidatingResolver {
    /// From `"dns"` in config.json.
    package struct Settings: Sendable {
        /// `address@port`; empty for the system's resolvers.
        package var servers: [String]
        /// Whether AAAA records are asked for.
        package var usesIPv6: Bool
        /// How long one look-up may take; what is given up is told within a fifth of a second.
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
    private enum RecordType: Int32 { case a = 1, cname = 5, ptr = 12, mx = 15, txt = 16, aaaa = 28, tlsa = 52 }

    /// The library's thread, which ends when the last resolver that uses it is gone.
    private final class Library: Sendable {
        let context: UnboundContext

        init(_ context: UnboundContext) throws(UnboundFailure) {
            self.context = context
            try UnboundResolver.startThread { context.process() }
        }

        deinit { self.context.shutDown() }
    }

    private let library: Library
    private var settings: Settings

    /// - Throws: where the library cannot be set up: a malformed server, an unreadable key file.
    package init(settings: Settings) throws {
        self.library = try Library(
            UnboundContext(servers: settings.servers, trustAnchorFile: settings.trustAnchorFile)
        )
        self.settings = settings
    }

    /// The same resolver, which gives look-ups up earlier: for callers that have no time to wait.
    package func within(_ limit: Duration) -> UnboundResolver {
        var result = self
        result.settings.timeLimit = min(limit, self.settings.timeLimit)
        return result
    }

    /// Why a file cannot be used as `Settings.trustAnchorFile`; `nil` where it can.
    package static func problem(ofTrustAnchor path: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return "cannot be read" }
        // An empty file is none to the library, and nothing would be validated.
        let words = text.split(whereSeparator: \.isNewline).flatMap {
            $0.prefix { $0 != ";" }.split(whereSeparator: \.isWhitespace)
        }
        guard words.contains("DS") || words.contains("DNSKEY") else { return "holds no DS or DNSKEY record" }
        do {
            try UnboundContext.check(trustAnchorFile: path)
            return nil
        } catch {
            return "cannot be used: \(error)"
        }
    }

    /// Ends the library's thread; look-ups fail from now on.
    package func shutDown() { self.library.context.shutDown() }

    package func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]> {
        await self.validatedMailExchangers(of: domain).lookup
    }

    package func validatedMailExchangers(of domain: String) async -> ValidatedLookup<[MailExchanger]> {
        switch await self.look(up: domain, .mx) {
        case .success(let answer) where answer.isNameMissing:
            return ValidatedLookup(.notFound, answer, asked: domain)
        case .success(let answer):
            let exchangers = answer.records.compactMap(ResourceData.mailExchanger)
            // Records that cannot be read are not the same as no records: no implicit MX.
            guard !exchangers.isEmpty || answer.records.isEmpty else {
                return ValidatedLookup(.unavailable("malformed MX records"))
            }
            return ValidatedLookup(.found(exchangers), answer, asked: domain)
        case .failure(let failure): return ValidatedLookup(.unavailable("MX \(domain): \(failure)"))
        }
    }

    package func addresses(of host: String) async -> Lookup<[IPAddress]> {
        await self.validatedAddresses(of: host).lookup
    }

    package func validatedAddresses(of host: String) async -> ValidatedLookup<[IPAddress]> {
        async let second = self.records(host, .a, ResourceData.address)
        let first = self.settings.usesIPv6 ? await self.records(host, .aaaa, ResourceData.address) : .init(.notFound)
        let other = await second
        switch (first.lookup, other.lookup) {
        case (.found(let six), .found(let four)):
            return ValidatedLookup(
                .found(six + four),
                isSecure: first.isSecure && other.isSecure,
                canonicalName: first.canonicalName
            )
        case (.found, _): return first
        case (_, .found): return other
        case (.notFound, .notFound): return ValidatedLookup(.notFound, isSecure: first.isSecure && other.isSecure)
        case (.unavailable(let why), _), (_, .unavailable(let why)): return ValidatedLookup(.unavailable(why))
        }
    }

    package func validatedAlias(of name: String) async -> ValidatedLookup<String> {
        let answer = await self.records(name, .cname) { ResourceData.name($0[...]) }
        let lookup: Lookup<String> =
            switch answer.lookup {
            case .found(let names): names.first.map { .found($0) } ?? .notFound
            case .notFound: .notFound
            case .unavailable(let why): .unavailable(why)
            }
        return ValidatedLookup(lookup, isSecure: answer.isSecure)
    }

    package func associations(of name: String) async -> ValidatedLookup<[[UInt8]]> {
        await self.records(name, .tlsa) { $0 }
    }

    package func texts(of name: String) async -> Lookup<[String]> {
        await self.records(name, .txt, ResourceData.text).lookup
    }

    package func names(of address: IPAddress) async -> Lookup<[String]> {
        await self.records(ResourceData.reverseName(of: address), .ptr) { ResourceData.name($0[...]) }.lookup
    }

    private func records<Value: Sendable>(
        _ name: String,
        _ type: RecordType,
        _ parse: ([UInt8]) -> Value?
    ) async -> ValidatedLookup<[Value]> {
        switch await self.look(up: name, type) {
        case .success(let answer):
            let values = answer.records.compactMap(parse)
            return ValidatedLookup(values.isEmpty ? .notFound : .found(values), answer, asked: name)
        case .failure(let failure):
            return ValidatedLookup(.unavailable("\(name): \(failure)"))
        }
    }

    private func look(up name: String, _ type: RecordType) async -> Result<UnboundAnswer, UnboundFailure> {
        guard !name.isEmpty, name.utf8.count <= 253, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return .success(UnboundAnswer(records: [], isNameMissing: true, isSecure: false, canonicalName: nil))
        }
        return await self.library.context.query(name, type: type.rawValue, limit: self.settings.timeLimit)
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

extension ValidatedLookup {
    fileprivate init(_ lookup: Lookup<Value>, _ answer: UnboundAnswer, asked name: String) {
        let asked = name.hasSuffix(".") ? String(name.dropLast()) : name
        let isAlias = answer.canonicalName.map { $0 != asked.lowercased() } ?? false
        self.init(lookup, isSecure: answer.isSecure, canonicalName: isAlias ? answer.canonicalName : nil)
    }
}
