/// Which MailHub this is.
package enum Release {
    /// The version, as `mailhub version` and the control socket tell it.
    package static let version = "0.1.0"
}
