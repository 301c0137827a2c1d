import Foundation

/// A point of a calibration with its errors.
struct CalibrationTrial: Sendable {
    let point: [Int64]
    /// Root of the mean squared error over the fitted steps, in the metric's unit.
    let error: Double
    /// The same over the steps that were held out.
    let heldOut: Double?
}

/// `calibration.csv`: the points that were tried, appended as they end, so that a search that was
/// killed goes on with what it knew. The search itself follows from the errors alone.
struct CalibrationLog: Sendable {
    /// Points known from before, with their errors.
    private(set) var known: [[Int64]: CalibrationTrial] = [:]
    private let axes: [StudyAxis]
    private let file: AppendedFile
    private let folder: StudyFolder

    private static let name = "calibration.csv"

    /// Opens the file, cuts what is not a whole row, and keeps others out.
    init(_ axes: [StudyAxis], _ folder: StudyFolder) throws(StudyFault) {
        self.axes = axes
        self.folder = folder
        let url = folder.file(Self.name)
        file = try AppendedFile(url)
        var lines = try LineReader(url)
        var whole = 0
        if let first = try lines.next() {
            if String(decoding: first, as: UTF8.self) != header {
                throw StudyFault("\(url.path) has the columns of another study")
            }
            whole = lines.offset
            while let line = try lines.next(), let trial = read(line) {
                known[trial.point] = trial
                whole = lines.offset
            }
        }
        try file.begin(at: whole, header: header)
    }

    private var header: String {
        "evaluation,\(axes.map(\.name).joined(separator: ",")),rmse,rmse_held_out"
    }

    /// Appends a point that was just tried.
    func append(_ number: Int, _ trial: CalibrationTrial) throws(StudyFault) {
        try file.append(Array(row(number, trial).utf8))
    }

    /// Writes the file anew, in the order of evaluations.
    func finish(_ trials: [CalibrationTrial]) throws(StudyFault) {
        let rows = trials.enumerated().map { row($0.offset, $0.element) }.joined()
        try folder.write(Data((header + "\n" + rows).utf8), to: Self.name)
    }

    private func row(_ number: Int, _ trial: CalibrationTrial) -> String {
        let cells = zip(axes, trial.point).map { $0.spec.unit.text($1) }
        let heldOut = trial.heldOut.map { "\($0)" } ?? ""
        return "\(number),\(cells.joined(separator: ",")),\(trial.error),\(heldOut)\n"
    }

    /// The trial of a row that `row` wrote; `nil` for anything else.
    private func read(_ line: ArraySlice<UInt8>) -> CalibrationTrial? {
        let cells = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard cells.count == axes.count + 3 else { return nil }
        var point: [Int64] = []
        for (axis, cell) in zip(axes, cells.dropFirst()) {
            guard let value = axis.spec.unit.value(of: cell) else { return nil }
            point.append(value)
        }
        let errors = cells.suffix(2).map { String(decoding: $0, as: UTF8.self) }
        guard let error = Double(errors[0]) else { return nil }
        let heldOut = Double(errors[1])
        if heldOut == nil, !errors[1].isEmpty { return nil }
        return CalibrationTrial(point: point, error: error, heldOut: heldOut)
    }
}
