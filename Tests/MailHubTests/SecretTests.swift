import Foundation
import MailHubPlugin
import Testing

@Suite("Secrets of the configuration")
struct SecretTests {
    private let folder: URL

    init() throws {
        self.folder = FileManager.default.temporaryDirectory.appending(path: "mailhub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
    }

    private func read(_ value: String) throws -> (secret: Secret?, problems: [String]) {
        let section = try ConfigurationSection.parse("{\"password\": \(value)}", folder: self.folder.path)
        let secret = section.secret("password")
        return (secret, section.problems().map { "\($0.path): \($0.message)" })
    }

    @Test(arguments: [
        ("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret\n\n", "s3cret\n"),
        (" grüße ", " grüße "), ("two\nlines\n", "two\nlines"),
    ])
    func `A file is the secret, without the line end at its end`(content: String, secret: String) throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        try Data(content.utf8).write(to: self.folder.appending(path: "secret"))
        let read = try self.read(#"{"file": "secret"}"#)
        #expect(read.secret?.value == secret)
        #expect(read.problems == [])
    }

    /// Container runtimes mount secrets like this: the operator decides who may read them.
    @Test func `A file that everybody may read is taken`() throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let file = self.folder.appending(path: "secret")
        try Data("s3cret".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: file.path)
        #expect(try self.read("{\"file\": \"\(file.path)\"}").secret?.value == "s3cret")
    }

    @Test func `The environment, or the string itself`() throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let path = try #require(ProcessInfo.processInfo.environment["PATH"])
        #expect(try self.read(#"{"environment": "PATH"}"#).secret?.value == path)
        #expect(try self.read(#""s3cret""#).secret?.value == "s3cret")
        let section = try ConfigurationSection.parse("{}")
        #expect(section.secret("password") == nil)
        #expect(section.problems() == [])
    }

    @Test(arguments: [
        (#"{"file": "missing"}"#, #"$.password.file: cannot read "FOLDER/missing": there is no such file"#),
        (#"{"file": "."}"#, #"$.password.file: cannot read "FOLDER/.": it is no readable file"#),
        (#"{"file": "empty"}"#, #"$.password.file: "FOLDER/empty" is empty"#),
        (#"{"file": "line"}"#, #"$.password.file: "FOLDER/line" is empty"#),
        (#"{"file": "large"}"#, #"$.password.file: "FOLDER/large" is not text of up to 64 KiB"#),
        (#"{"file": "binary"}"#, #"$.password.file: "FOLDER/binary" is not text of up to 64 KiB"#),
        (#"{"file": "nul"}"#, #"$.password.file: "FOLDER/nul" is not text of up to 64 KiB"#),
        (#"{"file": 25}"#, #"$.password.file: expected a string, found 25"#),
        (
            #"{"environment": "MAILHUB_NO_SUCH"}"#,
            #"$.password.environment: the environment has no variable "MAILHUB_NO_SUCH""#
        ),
        (#"{"environment": "PATH", "file": "line"}"#, #"$.password.environment: both "file" and "environment""#),
        (#"{}"#, #"$.password: neither "file" nor "environment""#),
        (#""""#, "$.password: the secret is empty"), ("31337", "$.password: expected a secret"),
        ("[31337]", "$.password: expected a secret"), ("null", "$.password: expected a secret"),
    ])
    func problems(value: String, problem: String) throws {
        defer { try? FileManager.default.removeItem(at: self.folder) }
        let files = [
            "empty": Data(), "line": Data("\n".utf8), "large": Data(repeating: 0x61, count: 65537),
            "binary": Data([0xFF, 0xFE]), "nul": Data("s3cret\0".utf8),
        ]
        for (name, data) in files { try data.write(to: self.folder.appending(path: name)) }
        let read = try self.read(value)
        #expect(read.secret == nil)
        let expected = problem.replacing("FOLDER", with: self.folder.path)
        // Long paths are cut.
        #expect(read.problems.count == 1)
        #expect(read.problems.first == expected, "\(read.problems)")
    }

    @Test func `An unknown key beside it is told, but not its value`() throws {
        let read = try self.read(#"{"environment": "PATH", "value": "s3cret"}"#)
        #expect(read.problems == ["$.password.value: unknown key"])
    }

    @Test func `Whoever prints a secret shows only that it is one`() {
        let secret = Secret("s3cret")
        var dumped = ""
        dump(["password": secret], to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!text.contains("s3cret") && text.contains("(secret)"))
        }
    }
}
