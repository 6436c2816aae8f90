import COpenSSL
import Glibc

/// What a failing call has left in the thread's error queue: taken out right after it, so that no later call is blamed.
struct OpenSSLErrors: Error, CustomStringConvertible {
    /// One entry of the queue.
    struct Entry {
        let library: Int32
        let reason: Int32
        let text: String
    }
    /// The oldest first.
    let entries: [Entry]

    /// The reasons, without places in OpenSSL's source.
    var description: String {
        self.entries.isEmpty ? "unknown error" : self.entries.map(\.text).joined(separator: "; ")
    }

    func contains(library: Int32, reason: Int32) -> Bool {
        self.entries.contains { $0.library == library && $0.reason == reason }
    }

    /// Takes everything out of this thread's queue.
    static func drain() -> OpenSSLErrors {
        var entries: [Entry] = []
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return OpenSSLErrors(entries: entries) }
            let text: String
            if let reason = unsafe ERR_reason_error_string(code) {
                text = unsafe String(cString: reason)
            } else {
                text = "error \(String(code, radix: 16))"
            }
            entries.append(
                Entry(library: COpenSSL_ERR_GET_LIB(code), reason: COpenSSL_ERR_GET_REASON(code), text: text)
            )
        }
    }

    /// Empties this thread's queue: called before calls whose failure is looked up there.
    static func clear() { ERR_clear_error() }
}
