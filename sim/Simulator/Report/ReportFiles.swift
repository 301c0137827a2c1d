/// The files of a study's folder that a report is made of, as text.
public struct ReportFiles: Sendable {
    /// `manifest.json`.
    public var manifest: String
    /// `final.csv`.
    public var final: String
    /// `dictionary.csv`.
    public var dictionary: String
    /// `results.csv`, if steps are to be drawn.
    public var results: String?
    /// `bands.csv`, if there are replicates.
    public var bands: String?
    /// `indices.csv`, of Morris and Sobol.
    public var indices: String?
    /// A line over a heat map: two columns named as its axes. Where theory has a boundary.
    public var line: String?
    /// Values to draw Lorenz curves of: `group,value`.
    public var distribution: String?

    /// The files that every study has.
    public init(manifest: String, final: String, dictionary: String) {
        (self.manifest, self.final, self.dictionary) = (manifest, final, dictionary)
    }
}

/// Why there is no report.
public struct ReportError: Error, Hashable, Sendable {
    /// What is wrong, in a sentence.
    public let reason: String

    /// An error for this reason.
    public init(_ reason: String) { self.reason = reason }
}
