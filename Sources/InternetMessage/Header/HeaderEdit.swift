/// A change to a header section (RFC 5322 section 2.2). Values are unstructured text; the hub folds them.
public enum HeaderEdit: Hashable, Sendable, Codable {
    /// Adds a field on top of the section.
    case prepend(name: String, value: String)
    /// Adds a field at the end of the section.
    case append(name: String, value: String)
    /// Replaces the value of the first field of that name; adds it where there is none.
    case replace(name: String, value: String)
    /// Removes all fields of that name.
    case remove(name: String)
}
