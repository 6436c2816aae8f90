import NIOCore

/// A change to a header section (RFC 5322 section 2.2).
///
/// Values are unstructured text; the hub folds them.
public enum HeaderEdit: Hashable, Sendable, Codable {
    /// Adds a field on top of the section.
    case prepend(name: String, value: String)
    /// Adds a field at the end of the section.
    case append(name: String, value: String)
    /// Replaces the value of the first field of that name; adds it where there is none.
    case replace(name: String, value: String)
    /// Removes all fields of that name.
    case remove(name: String)
    /// Replaces the value of one field: the first of its name is 1, from the top. Where there are fewer, nothing changes.
    case replaceOne(name: String, occurrence: Int, value: String)
    /// Removes one field: the first of its name is 1, from the top; those below it move up. Where there are fewer, nothing
    /// changes.
    case removeOne(name: String, occurrence: Int)
}

/// Why an edit was not applied; the section is as it was.
public enum HeaderEditError: Error, Hashable, Sendable {
    /// A name is 1 to 76 printable ASCII characters without the colon (RFC 5322 section 2.2).
    case invalidName(String)
    /// `Received` fields that are there must not be changed or removed (RFC 5321 section 4.4).
    case receivedFieldsAreKept
}

extension HeaderSection {
    /// Applies one edit.
    ///
    /// A value may hold anything: line ends and control characters in it become spaces, so that it cannot start another
    /// field.
    ///
    /// - Parameter allowingUTF8: whether the message may be internationalized (RFC 6532); otherwise words that are not ASCII
    ///   become encoded-words (RFC 2047).
    public mutating func apply(_ edit: HeaderEdit, allowingUTF8: Bool = false) throws(HeaderEditError) {
        switch edit {
        case .prepend(let name, let value):
            self.fields.insert(try Self.field(name, value, allowingUTF8), at: 0)
        case .append(let name, let value):
            self.add(try Self.field(name, value, allowingUTF8))
        case .replace(let name, let value):
            let field = try Self.field(name, value, allowingUTF8)
            try Self.mayBeChanged(name)
            if let index = self.fields.firstIndex(where: { $0.isNamed(name) }) {
                self.fields[index] = field
            } else {
                self.add(field)
            }
        case .remove(let name):
            try Self.mayBeChanged(name)
            self.fields.removeAll { $0.isNamed(name) }
        case .replaceOne(let name, let occurrence, let value):
            let field = try Self.field(name, value, allowingUTF8)
            try Self.mayBeChanged(name)
            if let index = self.index(of: occurrence, named: name) { self.fields[index] = field }
        case .removeOne(let name, let occurrence):
            try Self.mayBeChanged(name)
            if let index = self.index(of: occurrence, named: name) { self.fields.remove(at: index) }
        }
    }

    private func index(of occurrence: Int, named name: String) -> Int? {
        guard occurrence >= 1 else { return nil }
        return self.fields.indices.lazy.filter { self.fields[$0].isNamed(name) }.dropFirst(occurrence - 1).first
    }

    /// Adds a field behind the others, but before a line that is no field: many readers let the body begin there.
    private mutating func add(_ field: Field) {
        self.fields.insert(field, at: self.fields.firstIndex { !$0.isWellFormed } ?? self.fields.count)
    }

    private static func field(_ name: String, _ value: String, _ allowingUTF8: Bool) throws(HeaderEditError) -> Field {
        guard FieldWriter.isName(name) else { throw .invalidName(name) }
        var raw = ByteBuffer()
        FieldWriter.write(name: name, value: value, allowingUTF8: allowingUTF8, into: &raw)
        return Field(raw: raw)
    }

    private static func mayBeChanged(_ name: String) throws(HeaderEditError) {
        if name.lowercased() == "received" { throw .receivedFieldsAreKept }
    }
}
