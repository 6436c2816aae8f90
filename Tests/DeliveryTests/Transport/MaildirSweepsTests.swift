@testable import Delivery
import Foundation
import Glibc
import Testing

@Suite("What a crash leaves in a Maildir's tmp is swept")
struct MaildirSweepsTests {
    private let folder = Folder()

    /// Makes a file that was last touched so many seconds ago.
    private func file(_ name: String, age: Int) throws {
        let path = "\(self.folder.path)/\(name)"
        try Data("half a message".utf8).write(to: URL(filePath: path))
        let date = Date(timeIntervalSince1970: TimeInterval(time(nil) - age))
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    }

    @Test("files of two days go, those of today and folders stay; once a day")
    func sweep() throws {
        for part in ["tmp", "tmp/folder", "new"] {
            try FileManager.default.createDirectory(
                atPath: "\(self.folder.path)/\(part)",
                withIntermediateDirectories: true
            )
        }
        try self.file("tmp/old", age: 48 * 3600)
        try self.file("tmp/young", age: 3600)
        try self.file("new/old", age: 48 * 3600)
        let sweeps = MaildirSweeps()
        sweeps.sweep(self.folder.path)
        #expect(self.folder.names("tmp").sorted() == ["folder", "young"])
        #expect(self.folder.names("new") == ["old"])
        try self.file("tmp/late", age: 48 * 3600)
        sweeps.sweep(self.folder.path)
        #expect(self.folder.names("tmp").contains("late"))
        sweeps.sweep(self.folder.path, now: time(nil) + 25 * 3600)
        #expect(!self.folder.names("tmp").contains("late"))
        sweeps.sweep("\(self.folder.path)/nowhere")
    }
}
