import Foundation
import Testing

@Suite("docs/requirements.md says where each requirement is tested")
struct RequirementTests {
    /// A line of the table.
    struct Row {
        let id: String
        let tested: [String]
        let note: String
    }

    @Test("every file that a line names carries the line's id, and no line is empty or there twice")
    func namedFilesCarryTheID() throws {
        let rows = try Self.rows()
        #expect(rows.count > 400)
        var seen: Set<String> = []
        for row in rows {
            #expect(seen.insert(row.id).inserted, "\(row.id) is there twice")
            #expect(!row.note.isEmpty, "\(row.id) says nothing")
            for path in row.tested {
                let text = try? String(contentsOf: repository.appending(path: path), encoding: .utf8)
                #expect(text.map { Self.ids(in: $0).contains(row.id) } ?? false, "\(path) does not name \(row.id)")
            }
        }
    }

    @Test("every id that a test or a dialogue names is in the table")
    func namedIDsExist() throws {
        let known = Set(try Self.rows().map(\.id))
        let walker = FileManager.default.enumerator(
            at: repository.appending(path: "Tests"),
            includingPropertiesForKeys: nil
        )
        for file in walker?.allObjects as? [URL] ?? [] where ["swift", "txt"].contains(file.pathExtension) {
            let text = try String(contentsOf: file, encoding: .utf8)
            for id in Self.ids(in: text) { #expect(known.contains(id), "\(file.lastPathComponent) names \(id)") }
        }
    }

    private static func rows() throws -> [Row] {
        try String(contentsOf: repository.appending(path: "docs/requirements.md"), encoding: .utf8)
            .split(separator: "\n")
            .filter { $0.hasPrefix("| S") }
            .map { line in
                let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                let note = cells.last ?? ""
                let paths = note.split { $0 == "," || $0 == " " }.map(String.init)
                return Row(
                    id: cells.first ?? "",
                    tested: paths.filter { $0.hasPrefix("Tests/") || $0.hasPrefix("Plugins/") },
                    note: note
                )
            }
    }

    /// What looks like an id: `S`, the number of an RFC, a section and a number of two digits.
    private static func ids(in text: String) -> Set<String> {
        Set(text.matches(of: /\bS[0-9]{4}-[0-9A-Z](?:[0-9.]*[0-9])?-[0-9]{2}\b/).map { String($0.output) })
    }
}
