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

    init(_ folder: String, _ modules: String...) {
        self.folder = folder
        self.modules = Set(modules)
    }
}

@Suite("The modules depend downwards only")
struct ImportTests {
    static let table: [AllowedImports] = [
        .init("Sources/SMTP", "NIOCore", "Glibc"),
        .init("Sources/InternetMessage", "SMTP", "NIOCore", "Glibc", "Synchronization"),
        .init("Sources/MailHubPlugin", "SMTP", "InternetMessage", "NIOCore", "Logging", "Synchronization"),
        .init(
            "Sources/MailQueue",
            "SMTP",
            "NIOCore",
            "NIOPosix",
            "Logging",
            "GRDB",
            "Foundation",
            "Glibc",
            "Synchronization",
            "Collections",
            "DequeModule",
            "HeapModule"
        ),
        .init(
            "Sources/DNSResolver",
            "CUnbound",
            "MailHubPlugin",
            "SMTP",
            "NIOCore",
            "NIOPosix",
            "Glibc",
            "Synchronization",
            "Logging"
        ),
        .init(
            "Sources/Reception",
            "SMTP",
            "InternetMessage",
            "MailHubPlugin",
            "MailQueue",
            "NIOCore",
            "NIOPosix",
            "Logging",
            "Synchronization"
        ),
        .init(
            "Sources/Delivery",
            "SMTP",
            "InternetMessage",
            "MailHubPlugin",
            "MailQueue",
            "NIOCore",
            "NIOPosix",
            "Logging",
            "Glibc",
            "Synchronization"
        ),
        .init(
            "Sources/Administration",
            "SMTP",
            "NIOCore",
            "NIOPosix",
            "Logging",
            "Glibc",
            "Foundation",
            "Synchronization",
            "NIOFoundationCompat"
        ),
        .init(
            "Sources/MailHubCommand",
            "MailHub",
            "MailHubPlugin",
            "Administration",
            "StaticRecipients",
            "SizeLimits",
            "ArgumentParser",
            "Logging",
            "Foundation",
            "Glibc"
        ),
        .init("Plugins/StaticRecipients/Sources", "MailHubPlugin"),
        .init("Plugins/SizeLimits/Sources", "MailHubPlugin"),
    ]

    @Test(arguments: Self.table)
    func importsOnlyWhatItMay(_ row: AllowedImports) throws {
        let files = try Self.swiftFiles(below: row.folder)
        #expect(!files.isEmpty, "\(row.folder) has no Swift files")
        for file in files {
            for module in try Self.imports(of: file) {
                #expect(row.modules.contains(module), "\(file.path) imports \(module)")
            }
        }
    }

    @Test("every folder of Sources and Plugins has its row; MailHub alone may import everything")
    func everyModuleHasARow() throws {
        let known = Set(Self.table.map(\.folder)).union(["Sources/MailHub", "Sources/CUnbound"])
        for parent in ["Sources", "Plugins"] {
            for name in try FileManager.default.contentsOfDirectory(atPath: repository.appending(path: parent).path) {
                let folder = parent == "Plugins" ? "Plugins/\(name)/Sources" : "Sources/\(name)"
                #expect(known.contains(folder), "\(folder) has no row in the table")
            }
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
