/// How the hidden rows of a text become one row.
public enum Pooling: String, CaseIterable, Hashable, Sendable {
    /// Their mean.
    case mean
    /// The one of the last token, which alone has seen the whole text.
    case last
}

extension Generator {
    /// A text's tokens as a direction: the rows behind the last layer and the final norm, pooled
    /// and scaled to length 1. Sums are in binary64 in order of position, so that every machine
    /// gives the same bytes.
    ///
    /// - Returns: `hidden` floats.
    public func embed(
        _ tokens: [Int32], pooling: Pooling = .mean
    ) throws(EngineError) -> [Float] {
        if tokens.isEmpty { throw .emptyInput }
        let architecture = stage.model.architecture
        guard tokens.count <= architecture.contextLength else {
            throw .tooManyPositions(capacity: architecture.contextLength, needed: tokens.count)
        }
        let (file, hidden) = (stage.model.file, architecture.hidden)
        let session = try stage.makeSession(capacity: tokens.count)
        var rows = try session.run(tokens: tokens)[...]
        if pooling == .last { rows = rows.suffix(hidden) }
        let operations = SingleOperations(architecture)
        guard let norm = file.tensor(ModelLayout.tailTensors(file)[0]) else { throw .notLastStage }
        let weights = [Float](
            littleEndian: file.copyBytes(norm, offset: 0, count: norm.byteCount)[...])
        var sums = [Double](repeating: 0, count: hidden)
        while !rows.isEmpty {
            let row = operations.norm(Array(rows.prefix(hidden)), weights, 0..<hidden)
            for (place, number) in row.enumerated() { sums[place] += Double(number) }
            rows = rows.dropFirst(hidden)
        }
        let length = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0, length.isFinite else { throw .resultNotFinite }
        return sums.map { Float($0 / length) }
    }
}
