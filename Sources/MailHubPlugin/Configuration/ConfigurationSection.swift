// Written by the configuration work: see MailHub/Configuration.
/// A JSON object of config.json, read key by key.
public final class ConfigurationSection {
    /// An empty section.
    public init() {}
}
