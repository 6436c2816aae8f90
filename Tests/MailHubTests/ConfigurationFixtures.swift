import Logging
import MailHubPlugin
import SMTP
import SizeLimits
import StaticRecipients

@testable import MailHub

extension PluginRegistry {
    /// The plugins that come with the hub.
    static let shipped = PluginRegistry([StaticRecipients.self, SizeLimits.self]) { _, surroundings in
        PluginServices(
            logger: Logger(label: "test"),
            clock: SystemClock(),
            resolver: NoResolver(),
            servedDomains: surroundings.servedDomains
        )
    }
}

extension HubConfiguration {
    /// Reads a configuration from text, as if its file were in `/etc/mailhub`.
    static func read(_ text: String) throws -> HubConfiguration {
        try HubConfigurationReader.read(
            Array(text.utf8),
            file: "config.json",
            folder: "/etc/mailhub",
            registry: .shipped
        )
    }
}
