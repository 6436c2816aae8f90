/// The site's users: what `mailhub user` writes, and sessions check passwords against.
///
/// One line a user: the name, the keys of the password, and the addresses that the user may send as, where they are not the name's
/// own; white space in between. `#` begins a comment.
package struct UserFile: Hashable, Sendable {
    package struct User: Hashable, Sendable {
        /// Prepared (`Prepared.text`); case counts.
        package let name: String
        package var keys: SCRAMKeys
        /// Addresses that the user may send as; empty for those that follow from the name.
        package var addresses: [String]

        package init(name: String, keys: SCRAMKeys, addresses: [String] = []) {
            self.name = name
            self.keys = keys
            self.addresses = addresses
        }
    }

    /// What is wrong with a line.
    package struct Problem: Hashable, Sendable, Error {
        /// From 1.
        package let line: Int
        package let message: String
    }

    /// By name.
    package private(set) var users: [String: User] = [:]
    /// The lines as they stand in the file, comments too.
    private var lines: [(text: String, user: String?)] = []

    package init() {}

    /// Reads a file's text, and finds all that is wrong with it in one go.
    package init(_ text: String) throws(UserFileProblems) {
        var problems: [Problem] = []
        // A newline at the end of the file begins no line.
        let all = text.hasSuffix("\n") ? text.dropLast() : text[...]
        for (index, line) in all.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
        where !all.isEmpty {
            do throws(Problem) {
                let user = try Self.user(line, number: index + 1)
                if let user, self.users.updateValue(user, forKey: user.name) != nil {
                    throw Problem(line: index + 1, message: "another line has the user \(user.name)")
                }
                self.lines.append((String(line), user?.name))
            } catch {
                problems.append(error)
            }
        }
        guard problems.isEmpty else { throw UserFileProblems(problems: problems) }
    }

    private static func user(_ line: Substring, number: Int) throws(Problem) -> User? {
        // A # within a word is part of an address.
        let words = line.split(whereSeparator: \.isWhitespace).prefix { !$0.hasPrefix("#") }
        guard let name = words.first else { return nil }
        guard Prepared.text(String(name)) == String(name) else {
            throw Problem(line: number, message: "the name has characters that are not allowed")
        }
        guard words.count >= 2, let keys = SCRAMKeys(words[1]) else {
            throw Problem(line: number, message: "the user \(name) has no password that can be read")
        }
        return User(name: String(name), keys: keys, addresses: words.dropFirst(2).map(String.init))
    }

    /// Adds a user, or replaces the one of that name.
    package mutating func set(_ user: User) {
        let text = ([user.name, user.keys.description] + user.addresses).joined(separator: " ")
        if self.users.updateValue(user, forKey: user.name) == nil {
            self.lines.append((text, user.name))
        } else if let index = self.lines.firstIndex(where: { $0.user == user.name }) {
            self.lines[index].text = text
        }
    }

    /// Removes a user; `false` where there is none of that name.
    package mutating func remove(_ name: String) -> Bool {
        guard self.users.removeValue(forKey: name) != nil else { return false }
        self.lines.removeAll { $0.user == name }
        return true
    }

    /// The text of the file.
    package var text: String { self.lines.map { "\($0.text)\n" }.joined() }

    package static func == (left: UserFile, right: UserFile) -> Bool { left.users == right.users }
    package func hash(into hasher: inout Hasher) { hasher.combine(self.users) }

    /// Whether a name can stand in the file: prepared, and one word.
    package static func isName(_ name: String) -> Bool {
        Prepared.text(name) == name && !name.contains { $0.isWhitespace || $0 == "#" } && name.utf8.count <= 255
    }
}

/// Everything that is wrong with a file of users.
package struct UserFileProblems: Error, Hashable, Sendable {
    package let problems: [UserFile.Problem]
}
