/// What a study's results say, in sentences of plain words.
struct ReportFindings {
    private let data: ReportData
    private(set) var sentences: [String] = []

    init(_ data: ReportData) {
        self.data = data
        outcome()
        course()
        switch data.manifest.study.kind {
        case .grid: grid()
        case .sobol: sobol()
        case .morris: morris()
        case .single: break
        default: sampled()
        }
        verdicts()
    }

    private var main: ReportData.Column { data.main }
    /// A value with digits that tell it apart from the others it is named with.
    private func bare(_ value: Double, among others: [Double] = []) -> String {
        let (low, high) = (others.min() ?? value, others.max() ?? value)
        return ReportNumber.short(value, digits: ReportNumber.digits(low, high))
    }

    /// The same with the unit of the metric in question.
    private func number(_ value: Double, among others: [Double] = []) -> String {
        bare(value, among: others) + (main.unit.isEmpty ? "" : " \(main.unit)")
    }

    private mutating func outcome() {
        let values = data.values(main)
        let band = ReportStatistics.band(values)
        let edges = [band.low, band.high]
        let start = "After \(data.manifest.steps) steps, \(main.name.inWords)"
        if values.count == 1 {
            sentences.append("\(start) is \(number(band.middle)).")
        } else if band.low == band.high {
            sentences.append(
                "\(start) is \(number(band.middle)) in nearly all \(values.count) runs.")
        } else {
            sentences.append(
                "\(start) is \(number(band.middle, among: edges)) in the middle of \(values.count) "
                    + "runs; nine in ten lie between \(bare(band.low, among: edges)) and "
                    + "\(number(band.high, among: edges)).")
        }
    }

    /// The way from the first step to the last, where there is but one point.
    private mutating func course() {
        guard data.history.bands.count == 1, let bands = data.history.bands.values.first,
            let moments = bands[main.name], let first = moments.first, let last = moments.last,
            let highest = moments.max(by: { $0.middle < $1.middle }),
            let lowest = moments.min(by: { $0.middle < $1.middle })
        else { return }
        let ends = [lowest.middle, highest.middle]
        let (from, to) = (number(first.middle, among: ends), number(last.middle, among: ends))
        let change =
            first.middle == 0
            ? "" : " (\(ReportNumber.percent(last.middle / first.middle - 1)))"
        let verb =
            last.middle == first.middle ? "stays" : last.middle > first.middle ? "rises" : "falls"
        var text = "It \(verb) from \(from) at step \(Int(first.step)) to \(to)\(change)"
        let span = highest.middle - lowest.middle
        let edge = max(first.middle, last.middle)
        if span > 0, highest.middle - edge > 0.1 * span {
            text +=
                ", with a peak of \(number(highest.middle, among: ends)) at step \(Int(highest.step))"
        }
        if span > 0, min(first.middle, last.middle) - lowest.middle > 0.1 * span {
            text +=
                ", with a low of \(number(lowest.middle, among: ends)) at step \(Int(lowest.step))"
        }
        sentences.append(text + ".")
    }

    // MARK: Grids

    private mutating func grid() {
        let values = data.values(main)
        let groups = data.groups(data.axes).map { group in
            (
                words: group.words,
                middle: ReportStatistics.band(group.rows.map { values[$0] }).middle
            )
        }
        guard groups.count > 1, let best = groups.max(by: { $0.middle < $1.middle }),
            let least = groups.min(by: { $0.middle < $1.middle })
        else { return }
        if best.middle == least.middle {
            sentences.append("The \(groups.count) points do not differ in it.")
            return
        }
        let ends = [least.middle, best.middle]
        sentences.append(
            "It is highest at \(place(best.words)) (\(number(best.middle, among: ends))) and lowest "
                + "at \(place(least.words)) (\(number(least.middle, among: ends))).")
        if data.axes.count == 1, data.isNumeric(data.axes[0]) { steepest(data.axes[0]) }
        pairs()
    }

    /// A point by its axes' values.
    private func place(_ words: [String]) -> String {
        zip(data.axes, words).map { "\($0.name.inWords) \($1)" }.joined(separator: " and ")
    }

    /// Between which neighbours most of the change lies.
    private mutating func steepest(_ axis: ReportData.Column) {
        let values = data.values(main)
        let points = data.groups([axis]).compactMap { group in
            Double(group.words[0]).map {
                (x: $0, y: ReportStatistics.band(group.rows.map { values[$0] }).middle)
            }
        }.sorted { $0.x < $1.x }
        guard points.count > 2 else { return }
        let steps = points.indices.dropFirst()
        let whole = (points.map(\.y).max() ?? 0) - (points.map(\.y).min() ?? 0)
        guard whole > 0,
            let widest = steps.max(by: {
                abs(points[$0].y - points[$0 - 1].y) < abs(points[$1].y - points[$1 - 1].y)
            })
        else { return }
        let part = abs(points[widest].y - points[widest - 1].y) / whole
        let isMonotone =
            steps.allSatisfy { points[$0].y >= points[$0 - 1].y }
            || steps.allSatisfy { points[$0].y <= points[$0 - 1].y }
        let course = isMonotone ? "It only moves one way along the axis; " : "It turns on the way; "
        sentences.append(
            course + "\(ReportNumber.percent(part)) of the range lies between "
                + "\(ReportNumber.short(points[widest - 1].x)) and "
                + "\(ReportNumber.short(points[widest].x)).")
    }

    /// The same luck at two points: the difference of each replicate.
    private mutating func pairs() {
        let groups = data.groups(data.axes)
        guard groups.count >= 2, groups.count <= 4, let replicates = data.final.words("replicate")
        else { return }
        let values = data.values(main)
        let base = Dictionary(
            groups[0].rows.map { (replicates[$0], values[$0]) }, uniquingKeysWith: { $1 })
        for group in groups.dropFirst() {
            let differences = group.rows.compactMap { row in
                base[replicates[row]].map { values[row] - $0 }
            }
            if differences.count < 2 { continue }
            let band = ReportStatistics.band(differences)
            let higher = differences.count { $0 > 0 }
            sentences.append(
                "Under the same luck, \(place(group.words)) is higher than \(place(groups[0].words)) "
                    + "in \(higher) of \(differences.count) replicates; the difference is "
                    + "\(number(band.middle)) in the middle, nine in ten between "
                    + "\(bare(band.low)) and \(number(band.high)).")
        }
    }

    // MARK: Samples and sensitivity

    private mutating func sampled() {
        let values = data.values(main)
        let ranks = data.axes.filter(data.isNumeric).map { axis in
            (
                name: axis.name.inWords,
                rank: ReportStatistics.rankCorrelation(
                    data.final.numbers(axis.name) ?? [], values)
            )
        }.sorted { abs($0.rank) > abs($1.rank) }
        guard let first = ranks.first else { return }
        if abs(first.rank) < 0.1 {
            sentences.append("None of the varied parameters moves it in one direction by itself.")
            return
        }
        let strong = ranks.filter { abs($0.rank) >= 0.1 }.map {
            "\($0.name) (\(ReportNumber.short($0.rank, digits: 2)))"
        }
        sentences.append(
            "Ranked by how steadily they move it, the parameters are \(list(strong)); a minus "
                + "means that it falls where the parameter rises.")
    }

    private mutating func sobol() {
        let total = data.index("total", of: main.name).sorted { $0.value > $1.value }
        let first = data.index("first", of: main.name)
        guard let strongest = total.first else {
            sentences.append("It is the same at every point, so nothing explains it.")
            return
        }
        let alone = first.first { $0.name == strongest.name }?.value ?? 0
        sentences.append(
            "\(capital(strongest.name.inWords)) matters most: by itself it explains "
                + "\(ReportNumber.percent(max(0, alone))) of the variance, and with all that it does "
                + "together with others \(ReportNumber.percent(strongest.value)).")
        let interaction = 1 - first.reduce(0) { $0 + $1.value }
        if interaction > 0.1 {
            sentences.append(
                "\(ReportNumber.percent(interaction)) of the variance comes from parameters acting "
                    + "together; varying one at a time would miss it.")
        }
        let idle = total.filter { $0.value < 0.01 }.map { $0.name.inWords }
        if !idle.isEmpty {
            sentences.append("It hardly depends on \(list(idle)), which could be fixed.")
        }
    }

    private mutating func morris() {
        let strength = data.index("mu_star", of: main.name).sorted { $0.value > $1.value }
        let spread = data.index("sigma", of: main.name)
        guard let strongest = strength.first, strongest.value > 0 else {
            sentences.append("None of the parameters moves it.")
            return
        }
        let leading = strength.filter { $0.value > strongest.value * 0.1 }.map { $0.name.inWords }
        sentences.append("What moves it, strongest first: \(list(leading)).")
        let bent = strength.filter { entry in
            entry.value > strongest.value * 0.1
                && (spread.first { $0.name == entry.name }?.value ?? 0) > entry.value
        }.map { $0.name.inWords }
        if !bent.isEmpty {
            sentences.append(
                "The effect of \(list(bent)) depends on where the others are, or bends: look at it "
                    + "with a Sobol study before trusting one number.")
        }
        let idle = strength.filter { $0.value <= strongest.value * 0.01 }.map { $0.name.inWords }
        if !idle.isEmpty { sentences.append("It hardly depends on \(list(idle)).") }
    }

    private mutating func verdicts() {
        let all = data.verdicts
        if all.isEmpty { return }
        let held = all.count { $0.held == $0.runs }
        sentences.append(
            held == all.count
                ? "\(all.count == 1 ? "The threshold holds" : "All thresholds hold") in every run."
                : "Thresholds that hold in every run: \(held) of \(all.count).")
    }

    private func list(_ names: [String]) -> String {
        guard names.count > 1, let last = names.last else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }

    private func capital(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst()
    }
}

extension ReportData {
    /// How the runs stand to a threshold of the study.
    struct Verdict {
        let metric: Column
        let bound: String
        let says: String
        let held: Int
        let runs: Int
        let band: (low: Double, middle: Double, high: Double)
    }

    var verdicts: [Verdict] {
        manifest.thresholds.compactMap { threshold in
            guard let metric = metrics.first(where: { $0.name == threshold.metric }) else {
                return nil
            }
            let values = self.values(metric)
            let least = threshold.atLeast.flatMap(Double.init)
            let most = threshold.atMost.flatMap(Double.init)
            let bounds = [
                threshold.atLeast.map { "at least \($0)" },
                threshold.atMost.map { "at most \($0)" },
            ].compactMap { $0 }
            let held = values.count { value in
                value >= least ?? -.infinity && value <= most ?? .infinity
            }
            return Verdict(
                metric: metric, bound: bounds.joined(separator: ", "), says: threshold.says ?? "",
                held: held, runs: values.count, band: ReportStatistics.band(values))
        }
    }
}
