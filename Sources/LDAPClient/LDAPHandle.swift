import CLDAP
import Glibc
import MailHubPlugin

/// Owns one `LDAP *` with its socket, both freed once.
///
/// A handle belongs to one thread at a time: to the one that connects and binds, then, handed over through the loop's locked
/// inbox, to the loop. `@unchecked Sendable` is for that one hand-over; the field is set once and never changes.
@safe final class LDAPHandle: @unchecked Sendable {
    private let pointer: OpaquePointer
    /// The socket, for `poll`; the library closes it.
    let descriptor: Int32

    /// Takes over a connected socket; it is closed where that fails.
    ///
    /// - Throws: the library's reason.
    init(takingOwnershipOf descriptor: Int32, server: LDAPServer) throws(LDAPLibraryError) {
        let isLocal = if case .local = server.transport { true } else { false }
        var pointer: OpaquePointer?
        let code = unsafe ldap_init_fd(
            descriptor,
            isLocal ? LDAP_PROTO_IPC : LDAP_PROTO_TCP,
            server.url,
            &pointer
        )
        guard code == 0, let pointer = unsafe pointer else {
            _ = close(descriptor)
            throw LDAPLibraryError(code, "")
        }
        unsafe self.pointer = pointer
        self.descriptor = descriptor
        self.set(LDAP_OPT_PROTOCOL_VERSION, 3)
        // Nothing of the machine's ldap.conf may change what is asked.
        self.set(LDAP_OPT_SIZELIMIT, 0)
        self.set(LDAP_OPT_TIMELIMIT, 0)
        self.set(LDAP_OPT_DEREF, 0)
        _ = unsafe ldap_set_option(pointer, LDAP_OPT_REFERRALS, nil)
    }

    deinit { _ = unsafe ldap_unbind_ext(self.pointer, nil, nil) }

    // MARK: Settings

    private func set(_ option: Int32, _ value: Int32) {
        var value = value
        _ = unsafe ldap_set_option(self.pointer, option, &value)
    }

    private func set(_ option: Int32, _ text: String) { _ = unsafe ldap_set_option(self.pointer, option, text) }

    /// The most octets of a message; a longer one costs the connection.
    func limitMessages(to size: Int) {
        var buffer: OpaquePointer?
        guard unsafe ldap_get_option(self.pointer, LDAP_OPT_SOCKBUF, &buffer) == 0, let buffer = unsafe buffer else {
            return
        }
        var most = ber_len_t(size)
        _ = unsafe ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &most)
    }

    /// Makes reads and writes return at once from now on.
    func becomeNonblocking() {
        _ = fcntl(self.descriptor, F_SETFL, fcntl(self.descriptor, F_GETFL) | O_NONBLOCK)
    }

    // MARK: Steps that block, each within its limit

    /// Does the handshake; the certificate must be valid and name the host of the URL (RFC 4513 section 3.1.3).
    func secure(_ settings: LDAPSettings) throws(LDAPLibraryError) {
        self.set(LDAP_OPT_X_TLS_CACERTFILE, settings.authorities)
        if let own = settings.clientCertificate {
            self.set(LDAP_OPT_X_TLS_CERTFILE, own.certificate)
            self.set(LDAP_OPT_X_TLS_KEYFILE, own.key)
        }
        self.set(LDAP_OPT_X_TLS_REQUIRE_CERT, LDAP_OPT_X_TLS_DEMAND)
        self.set(LDAP_OPT_X_TLS_PROTOCOL_MIN, mailhub_ldap_tls_1_2)
        var isServer: Int32 = 0
        let context = unsafe ldap_set_option(self.pointer, LDAP_OPT_X_TLS_NEWCTX, &isServer)
        guard context == 0 else {
            throw LDAPLibraryError(context, "the certificates cannot be used (\(settings.authorities))")
        }
        let limit = settings.timeouts.tls
        guard let watch = SocketWatch.start(on: self.descriptor, limit: limit) else {
            throw LDAPLibraryError(text: "no thread")
        }
        let code = unsafe ldap_install_tls(self.pointer)
        guard watch.end() else { throw LDAPLibraryError(text: "no answer within \(limit)") }
        guard code == 0 else {
            // The library says little about certificates.
            let hint =
                "no handshake, or a certificate that \(settings.authorities) does not vouch for or of another host"
            throw LDAPLibraryError(code, hint)
        }
    }

    /// Asks the server to begin TLS (RFC 4511 section 4.14).
    func startTLS(within limit: Duration) throws(LDAPLibraryError) {
        var identifier: Int32 = 0
        try self.check(unsafe ldap_start_tls(self.pointer, nil, nil, &identifier))
        try self.awaitSuccess(of: identifier, within: limit)
    }

    /// Binds (RFC 4511 section 4.2).
    func bind(_ bind: LDAPBind, within limit: Duration) throws(LDAPLibraryError) {
        var identifier: Int32 = 0
        switch bind {
        case .anonymous:
            return
        case .simple(let name, let password):
            identifier = try self.sendBind(as: name, password)
        case .external:
            // An empty initial response, which is not the same as none: "act as who I am" (RFC 4422 appendix A.1).
            let code = unsafe "".withCString { text in
                var credentials = unsafe berval(bv_len: 0, bv_val: UnsafeMutablePointer(mutating: text))
                return unsafe ldap_sasl_bind(self.pointer, nil, "EXTERNAL", &credentials, nil, nil, &identifier)
            }
            try self.check(code)
        }
        try self.awaitSuccess(of: identifier, within: limit)
    }

    /// Sends a simple bind; gives the message's number.
    private func sendBind(as name: String, _ password: String) throws(LDAPLibraryError) -> Int32 {
        var identifier: Int32 = 0
        let code = unsafe password.withCString { text in
            var credentials = unsafe berval(
                bv_len: ber_len_t(strlen(text)),
                bv_val: UnsafeMutablePointer(mutating: text)
            )
            return unsafe ldap_sasl_bind(self.pointer, name, nil, &credentials, nil, nil, &identifier)
        }
        try self.check(code)
        return identifier
    }

    /// Binds as an entry, to learn whether a password is its own.
    ///
    /// - Throws: where the server says neither; a locked account, for one, is "no".
    func accepts(_ password: String, of name: String, within limit: Duration) throws(LDAPLibraryError) -> Bool {
        let result = try self.awaitResult(of: try self.sendBind(as: name, password), within: limit)
        switch result.code {
        case LDAPResult.success: return true
        // noSuchObject, inappropriateAuthentication, invalidCredentials (RFC 4511 appendix A).
        case 32, 48, 49: return false
        default: throw LDAPLibraryError(text: result.text)
        }
    }

    /// Asks for the entry that every server shows to everybody (RFC 4512 section 5.1): any result says that the server works.
    func check(within limit: Duration) throws(LDAPLibraryError) {
        switch self.search(.serverEntry, base: "", seconds: 1, page: nil) {
        case .sent(let identifier): _ = try self.awaitResult(of: identifier, within: limit)
        case .busy: throw LDAPLibraryError(text: "busy")
        case .malformed(let reason), .lost(let reason): throw LDAPLibraryError(text: reason)
        }
    }

    private func awaitSuccess(of identifier: Int32, within limit: Duration) throws(LDAPLibraryError) {
        let result = try self.awaitResult(of: identifier, within: limit)
        guard result.code == LDAPResult.success else { throw LDAPLibraryError(text: result.text) }
    }

    private func awaitResult(of identifier: Int32, within limit: Duration) throws(LDAPLibraryError) -> LDAPResult {
        let milliseconds = limit.milliseconds
        var time = timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000)
        var message: OpaquePointer?
        let kind = unsafe ldap_result(self.pointer, identifier, 1, &time, &message)
        guard kind != 0 else { throw LDAPLibraryError(text: "no answer within \(limit)") }
        guard kind > 0, let message = unsafe message else { throw self.lastError() }
        defer { _ = unsafe ldap_msgfree(message) }
        return unsafe self.result(of: message)
    }

    // MARK: Steps that do not block

    /// Sends a search (RFC 4511 section 4.5.1).
    ///
    /// - Parameter page: how many entries are wanted in one page, and where it begins; `nil` for all at once.
    func search(
        _ search: DirectorySearch,
        base: String,
        seconds: Int,
        page: (size: Int, cookie: [UInt8])?
    ) -> LDAPSending {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        var identifier: Int32 = 0
        let scope =
            switch search.scope {
            case .base: mailhub_ldap_scope_base
            case .one: mailhub_ldap_scope_one
            case .subtree: mailhub_ldap_scope_subtree
            }
        guard let control = self.pageControl(page) else { return .malformed("out of memory") }
        defer { if let pointer = unsafe control.pointer { unsafe ldap_control_free(pointer) } }
        // A page has its own limit; without pages one entry more than wanted tells that there are too many.
        let limit = page == nil ? search.limit + 1 : 0
        var controls = unsafe [control.pointer, nil]
        let code = unsafe self.withCStrings(search.attributes) { attributes in
            unsafe ldap_search_ext(
                self.pointer,
                base,
                scope,
                search.filter.description,
                attributes,
                0,
                &controls,
                nil,
                &time,
                Int32(clamping: limit),
                &identifier
            )
        }
        switch code {
        case 0: return .sent(identifier)
        case LDAP_BUSY: return .busy
        case LDAP_FILTER_ERROR, LDAP_PARAM_ERROR, LDAP_ENCODING_ERROR, LDAP_NO_MEMORY:
            return .malformed("\(LDAPLibraryError(code, search.filter.description))")
        default: return .lost("\(LDAPLibraryError(code, ""))")
        }
    }

    @safe private struct PageControl { let pointer: UnsafeMutablePointer<LDAPControl>? }

    /// The control of RFC 2696; `nil` where there is no memory for it.
    private func pageControl(_ page: (size: Int, cookie: [UInt8])?) -> PageControl? {
        guard let page else { return unsafe PageControl(pointer: nil) }
        var control: UnsafeMutablePointer<LDAPControl>?
        var octets = page.cookie.map { CChar(bitPattern: $0) }
        let count = octets.count
        let code = unsafe octets.withUnsafeMutableBufferPointer { buffer in
            var cookie = unsafe berval(bv_len: ber_len_t(count), bv_val: buffer.baseAddress)
            return unsafe ldap_create_page_control(self.pointer, ber_int_t(page.size), &cookie, 0, &control)
        }
        return code == 0 ? unsafe PageControl(pointer: control) : nil
    }

    private func withCStrings<Result>(
        _ texts: [String],
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Result
    ) -> Result {
        var pointers = unsafe texts.map { unsafe strdup($0) }
        defer { unsafe pointers.forEach { unsafe free($0) } }
        unsafe pointers.append(nil)
        return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress) }
    }

    /// Gives up a search (RFC 4511 section 4.11).
    func abandon(_ identifier: Int32) { _ = unsafe ldap_abandon_ext(self.pointer, identifier, nil, nil) }

    /// The next message that has come, without waiting.
    func next() -> LDAPReading {
        var time = timeval(tv_sec: 0, tv_usec: 0)
        var message: OpaquePointer?
        let kind = unsafe ldap_result(self.pointer, mailhub_ldap_any_message, 0, &time, &message)
        guard kind != 0 else { return .nothing }
        guard kind > 0, let message = unsafe message else { return .lost("\(self.lastError())") }
        defer { _ = unsafe ldap_msgfree(message) }
        let content: LDAPMessageEvent.Content =
            switch kind {
            case mailhub_ldap_search_entry: unsafe self.entry(of: message).map { .entry($0) } ?? .malformed
            case mailhub_ldap_search_reference: unsafe self.references(of: message).map { .reference($0) } ?? .malformed
            case mailhub_ldap_search_result: unsafe .result(self.result(of: message))
            default: .other
            }
        return .message(LDAPMessageEvent(identifier: unsafe ldap_msgid(message), content: content))
    }

    // MARK: Messages

    private func entry(of message: OpaquePointer) -> DirectoryEntry? {
        var element: OpaquePointer?
        var name = unsafe berval()
        guard unsafe ldap_get_dn_ber(self.pointer, message, &element, &name) == 0 else { return nil }
        defer { unsafe ber_free(element, 0) }
        var attributes: [String: [String]] = [:]
        while true {
            var attribute = unsafe berval()
            var values: UnsafeMutablePointer<berval>?
            let code = unsafe ldap_get_attribute_ber(self.pointer, message, element, &attribute, &values)
            defer { unsafe ber_memfree(values) }
            guard code == 0 else { return nil }
            guard unsafe attribute.bv_val != nil else { break }
            var texts: [String] = []
            if let values = unsafe values {
                var index = 0
                while unsafe values[index].bv_val != nil {
                    texts.append(unsafe Self.text(values[index]))
                    index += 1
                }
            }
            attributes[unsafe Self.text(attribute), default: []] += texts
        }
        return DirectoryEntry(name: unsafe Self.text(name), attributes: attributes)
    }

    private static func text(_ value: berval) -> String {
        let octets = unsafe UnsafeRawBufferPointer(start: value.bv_val, count: Int(value.bv_len))
        return unsafe String(decoding: octets, as: UTF8.self)
    }

    private func references(of message: OpaquePointer) -> [String]? {
        var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        guard unsafe ldap_parse_reference(self.pointer, message, &list, nil, 0) == 0 else { return nil }
        return unsafe Self.takeStrings(list)
    }

    private static func takeStrings(_ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
        guard let list = unsafe list else { return [] }
        defer {
            unsafe ber_memvfree(UnsafeMutableRawPointer(list).assumingMemoryBound(to: UnsafeMutableRawPointer?.self))
        }
        var result: [String] = []
        var index = 0
        while let text = unsafe list[index] {
            result.append(unsafe String(cString: text))
            index += 1
        }
        return result
    }

    private func result(of message: OpaquePointer) -> LDAPResult {
        var code: Int32 = 0
        var diagnostic: UnsafeMutablePointer<CChar>?
        var referrals: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        var controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?
        let parsed = unsafe ldap_parse_result(
            self.pointer,
            message,
            &code,
            nil,
            &diagnostic,
            &referrals,
            &controls,
            0
        )
        defer {
            unsafe ldap_memfree(diagnostic)
            unsafe ldap_controls_free(controls)
        }
        let words = unsafe diagnostic.map { unsafe String(cString: $0) } ?? ""
        return LDAPResult(
            code: parsed == 0 ? code : parsed,
            text: "\(LDAPLibraryError(parsed == 0 ? code : parsed, words))",
            referrals: unsafe Self.takeStrings(referrals),
            cookie: unsafe self.cookie(in: controls)
        )
    }

    private func cookie(in controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?) -> [UInt8] {
        guard let control = unsafe ldap_control_find("1.2.840.113556.1.4.319", controls, nil) else { return [] }
        var count: ber_int_t = 0
        var cookie = unsafe berval()
        guard unsafe ldap_parse_pageresponse_control(self.pointer, control, &count, &cookie) == 0 else { return [] }
        defer { unsafe ber_memfree(cookie.bv_val) }
        return unsafe Array(UnsafeRawBufferPointer(start: cookie.bv_val, count: Int(cookie.bv_len)))
    }

    // MARK: Errors

    private func check(_ code: Int32) throws(LDAPLibraryError) {
        guard code != 0 else { return }
        throw LDAPLibraryError(code, self.diagnostic())
    }

    private func lastError() -> LDAPLibraryError {
        var code: Int32 = 0
        _ = unsafe ldap_get_option(self.pointer, LDAP_OPT_RESULT_CODE, &code)
        return LDAPLibraryError(code, self.diagnostic())
    }

    private func diagnostic() -> String {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe ldap_get_option(self.pointer, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text) == 0, let text = unsafe text
        else {
            return ""
        }
        defer { unsafe ldap_memfree(text) }
        return unsafe String(cString: text)
    }
}

extension DirectorySearch {
    /// The server's own entry, without attributes.
    static let serverEntry = DirectorySearch(
        base: "",
        scope: .base,
        filter: .present("objectClass"),
        attributes: ["1.1"]
    )
}

/// A code of the library or of a server, in words.
struct LDAPLibraryError: Error, CustomStringConvertible {
    let description: String

    init(text: String) { self.description = text }

    /// - Parameter diagnostic: the server's own words; what of them cannot be printed is left out.
    init(_ code: Int32, _ diagnostic: String) {
        let meaning = unsafe String(cString: ldap_err2string(code))
        let words = String(
            diagnostic.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }.prefix(300).map(Character.init)
        )
        self.description = words.isEmpty ? "\(meaning) (\(code))" : "\(meaning) (\(code)): \(words)"
    }
}
