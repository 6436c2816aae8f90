import Foundation
import Testing

/// The repository, found from this file.
let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// Which modules the files of a folder may import.
///
/// What is not in the row fails the test: widen it only with a reason in docs/architecture.md.
struct AllowedImports: CustomTestStringConvertible {
    let folder: String
    let modules: Set<String>
    var testDescription: String { self.folder }

    /// - Parameter row: `folder: module module ...`.
    init(row: some StringProtocol) {
        let words = row.split { $0 == " " }.map { String($0) }
        self.folder = words.first.map { String($0.dropLast()) } ?? ""
        self.modules = Set(words.dropFirst())
    }
}

@Suite("The modules depend downwards only")
struct ImportTests {
    static let table = """
        Sources/SMTP: NIOCore Glibc
        Sources/InternetMessage: SMTP NIOCore Glibc Synchronization
        Sources/MailHubPlugin: SMTP InternetMessage NIOCore Logging Metrics Synchronization FoundationEssentials
        Sources/MailQueue: SMTP NIOCore NIOPosix Logging GRDB GRDBSQLite Foundation Glibc Synchronization Dispatch \
        DequeModule HeapModule
        Sources/KeyValueStorage: MailHubPlugin SMTP Logging GRDB Foundation
        Sources/DNSResolver: CUnbound MailHubPlugin SMTP NIOCore NIOPosix Glibc Foundation Synchronization Logging
        Sources/LDAPClient: CLDAP MailHubPlugin NIOPosix Glibc Synchronization Logging DequeModule
        Sources/TransportSecurity: COpenSSL NIOCore Glibc Synchronization
        Sources/HTTPSClient: SMTP TransportSecurity NIOCore NIOPosix NIOHTTP1
        Sources/DKIM: SMTP InternetMessage TransportSecurity NIOCore Foundation
        Sources/OAuth: SASL TransportSecurity JWTKit Foundation
        Sources/TLSReports: CZlib Delivery InternetMessage MailHubPlugin SMTP TransportSecurity Foundation Logging \
        Synchronization
        Sources/SASL: TransportSecurity Foundation Synchronization
        Sources/Reception: SMTP InternetMessage MailHubPlugin MailQueue TransportSecurity SASL NIOCore NIOPosix Logging \
        Synchronization
        Sources/Delivery: SMTP InternetMessage MailHubPlugin MailQueue TransportSecurity SASL NIOCore NIOPosix Logging \
        Glibc Synchronization
        Sources/MailHubPluginTesting: Reception Delivery SASL SMTP TransportSecurity InternetMessage MailHubPlugin MailQueue \
        NIOCore NIOPosix NIOEmbedded Logging Foundation Synchronization
        Sources/Administration: SMTP NIOCore NIOPosix NIOFoundationCompat Logging Glibc Foundation Synchronization
        Sources/MailHubCommand: MailHub MailHubPlugin SMTP Administration StaticRecipients LDAPRecipients SizeLimits \
        Greylisting RateLimits DNSBlocklists Aliases HeaderRewrite CallAhead SenderDomain ArgumentParser Dispatch Logging \
        Foundation Glibc
        Plugins/LDAPRecipients/Sources: MailHubPlugin FoundationEssentials Synchronization
        Plugins/StaticRecipients/Sources: MailHubPlugin FoundationEssentials
        Plugins/SizeLimits/Sources: MailHubPlugin
        Plugins/Greylisting/Sources: MailHubPlugin FoundationEssentials Synchronization
        Plugins/RateLimits/Sources: MailHubPlugin Synchronization
        Plugins/DNSBlocklists/Sources: MailHubPlugin Synchronization
        Plugins/Aliases/Sources: MailHubPlugin
        Plugins/HeaderRewrite/Sources: MailHubPlugin
        Plugins/SenderDomain/Sources: MailHubPlugin
        Plugins/CallAhead/Sources: MailHubPlugin Synchronization FoundationEssentials
        """.split { $0 == "\n" }.map { AllowedImports(row: $0) }

    @Test(arguments: Self.table)
    func importsOnlyWhatItMay(_ row: AllowedImports) throws {
        let files = try Self.swiftFiles(below: row.folder)
        #expect(!files.isEmpty, "\(row.folder) has no Swift files")
        for file in files {
            for module in try Self.imports(of: file) {
                let isPlugin = row.folder == "Sources/MailHubCommand" && Self.plugins.contains(module)
                #expect(row.modules.contains(module) || isPlugin, "\(file.path) imports \(module)")
            }
        }
    }

    /// The folders of `Plugins`: the executable registers all of them.
    static var plugins: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: repository.appending(path: "Plugins").path)) ?? []
    }

    /// What a plugin without a row of its own may import.
    static let pluginModules: Set<String> = ["MailHubPlugin", "FoundationEssentials", "Synchronization", "NIOCore"]

    @Test("A plugin imports the plugin API, and nothing of the hub", arguments: Self.plugins)
    func pluginImports(_ name: String) throws {
        let folder = "Plugins/\(name)/Sources"
        guard !Self.table.contains(where: { $0.folder == folder }) else { return }
        for file in try Self.swiftFiles(below: folder) {
            for module in try Self.imports(of: file) {
                #expect(Self.pluginModules.contains(module), "\(file.path) imports \(module)")
            }
        }
    }

    @Test("every folder of Sources has its row; MailHub alone may import everything")
    func everyModuleHasARow() throws {
        let systemModules = ["Sources/CUnbound", "Sources/COpenSSL", "Sources/CLDAP", "Sources/CZlib"]
        let known = Set(Self.table.map(\.folder)).union(["Sources/MailHub"] + systemModules)
        for name in try FileManager.default.contentsOfDirectory(atPath: repository.appending(path: "Sources").path) {
            #expect(known.contains("Sources/\(name)"), "Sources/\(name) has no row in the table")
        }
    }

    @Test("no two paths differ only by case")
    func noPathsDifferByCase() throws {
        var seen: [String: String] = [:]
        for parent in ["Sources", "Plugins", "Tests", "docs", "Benchmarks"] {
            let walker = FileManager.default.enumerator(atPath: repository.appending(path: parent).path)
            while let path = walker?.nextObject() as? String {
                let whole = "\(parent)/\(path)"
                let other = seen.updateValue(whole, forKey: whole.lowercased())
                #expect(other == nil, "\(whole) and \(other ?? "") differ only by case")
            }
        }
    }

    static func swiftFiles(below folder: String) throws -> [URL] {
        let root = repository.appending(path: folder)
        let walker = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
        return (walker?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
    }

    /// The modules that a file imports, whatever the access level and attributes.
    static func imports(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            guard !line.hasPrefix(" ") else { return nil }  // text that a command writes
            let words = line.split(separator: " ").map(String.init)
            guard let position = words.firstIndex(of: "import"), position <= 3,
                words[..<position].allSatisfy({ $0.hasPrefix("@") || Self.levels.contains($0) }),
                words.count > position + 1
            else { return nil }
            let next = words[position + 1]
            let name = Self.kinds.contains(next) && words.count > position + 2 ? words[position + 2] : next
            return name.split(separator: ".").first.map(String.init)
        }
    }

    private static let levels: Set<String> = ["public", "package", "internal", "private", "fileprivate"]
    private static let kinds: Set<String> = ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"]
}
