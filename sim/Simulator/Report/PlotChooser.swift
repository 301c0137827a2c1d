/// Which plots a study's kind asks for.
struct PlotChooser {
    private let data: ReportData
    private(set) var plots: [ReportPlot] = []

    init(_ data: ReportData) { self.data = data }

    /// All plots: of the metric in question first, then of the others.
    mutating func choose() {
        let others = data.metrics.filter { $0.name != data.main.name }
        for metric in [data.main] + others {
            switch data.manifest.study.kind {
            case .grid: grid(metric)
            case .morris: morris(metric)
            case .sobol: sobol(metric)
            case .single: break
            default: sampled(metric)
            }
            fan(metric)
        }
        lorenz()
    }

    private mutating func add(
        _ name: String, _ title: String, _ caption: String, _ element: String, _ csv: String,
        from source: String
    ) {
        plots.append(
            ReportPlot(
                name: name, title: title, caption: caption, element: element, csv: csv,
                source: source))
    }

    private var bandWords: String {
        data.manifest.replicates > 1
            ? "Lines are medians, bands hold the middle 90 % of \(data.manifest.replicates) "
                + "replicates." : "One run each."
    }

    // MARK: Over time

    private mutating func fan(_ metric: ReportData.Column) {
        let points = data.history.bands.keys.sorted()
        if points.isEmpty { return }
        let isGrid = data.manifest.study.kind == .grid && points.count <= PlotStyle.seriesCount
        let names = pointNames
        var series: [LineChart.Series] = []
        if points.count == 1 || isGrid {
            series = points.map { point in
                let moments = data.history.bands[point]?[metric.name] ?? []
                return .init(
                    name: names[point] ?? "point \(point)",
                    points: moments.map { ($0.step, $0.low, $0.middle, $0.high) })
            }
        } else {
            series = [.init(name: "all points", points: across(points, metric.name))]
        }
        let chart = LineChart(series: series, xTitle: "step", yTitle: metric.label, fromZero: true)
        let title = "\(metric.name.inWords) over time"
        let caption =
            points.count == 1 || isGrid
            ? bandWords
            : "The line is the median over \(points.count) points, the band their middle 90 %."
        add(
            "time-\(metric.name)", title, caption, chart.element(title: title), chart.csv,
            from: data.history.source)
    }

    /// The middle of the points' medians at each step.
    private func across(
        _ points: [Int], _ metric: String
    ) -> [(x: Double, low: Double, middle: Double, high: Double)] {
        let all = points.compactMap { data.history.bands[$0]?[metric] }
        guard let first = all.first else { return [] }
        return first.indices.map { place in
            let values = all.compactMap { $0.indices.contains(place) ? $0[place].middle : nil }
            let band = ReportStatistics.band(values)
            return (first[place].step, band.low, band.middle, band.high)
        }
    }

    /// What tells a point from others, in words.
    private var pointNames: [Int: String] {
        guard let points = data.final.numbers("point") else { return [:] }
        var names: [Int: String] = [:]
        for (row, point) in points.enumerated() where point.isFinite {
            names[Int(point)] = data.axes.compactMap { axis in
                data.final.column(axis.name).map {
                    "\(axis.name.inWords) \(data.final.rows[row][$0])"
                }
            }.joined(separator: " · ")
        }
        return names
    }

    // MARK: Grids

    private mutating func grid(_ metric: ReportData.Column) {
        let numeric = data.axes.filter { data.isNumeric($0) && data.levels($0).count > 1 }
        if data.axes.count == 2, numeric.count == 2 { return heatMap(metric, numeric) }
        for axis in data.axes {
            if numeric.contains(where: { $0.name == axis.name }) {
                line(metric, along: axis)
            } else {
                bars(metric, along: axis)
            }
        }
    }

    private mutating func heatMap(_ metric: ReportData.Column, _ axes: [ReportData.Column]) {
        let (xs, ys) = (data.levels(axes[0]), data.levels(axes[1]))
        let values = data.values(metric)
        var cells = Array(
            repeating: Array(repeating: Double.nan, count: xs.count), count: ys.count)
        for group in data.groups(axes) {
            guard let x = Double(group.words[0]).flatMap(xs.firstIndex(of:)),
                let y = Double(group.words[1]).flatMap(ys.firstIndex(of:))
            else { continue }
            cells[y][x] = ReportStatistics.band(group.rows.map { values[$0] }).middle
        }
        var map = HeatMap(
            xTitle: axes[0].label, yTitle: axes[1].label, zTitle: metric.label, xs: xs, ys: ys,
            values: cells)
        if let table = data.line, let x = table.numbers(axes[0].name),
            let y = table.numbers(axes[1].name)
        {
            map.line = Array(zip(x, y)).filter { $0.0.isFinite && $0.1.isFinite }
            map.lineName = "what theory says"
        }
        let title = "\(metric.name.inWords) by \(axes[0].name.inWords) and \(axes[1].name.inWords)"
        let many = data.manifest.replicates > 1
        add(
            "map-\(metric.name)", title,
            "At the last step\(many ? ", the median of the replicates" : "")."
                + (map.line.isEmpty ? "" : " The dashed line is the boundary that theory gives."),
            map.element(title: title), map.csv, from: "final.csv")
    }

    private mutating func line(_ metric: ReportData.Column, along axis: ReportData.Column) {
        let values = data.values(metric)
        let points = data.groups([axis]).compactMap { group in
            Double(group.words[0]).map { x in
                let band = ReportStatistics.band(group.rows.map { values[$0] })
                return (x: x, low: band.low, middle: band.middle, high: band.high)
            }
        }.sorted { $0.x < $1.x }
        let (least, most) = (points.first?.x ?? 0, points.last?.x ?? 0)
        let chart = LineChart(
            series: [.init(name: metric.name, points: points)], xTitle: axis.label,
            yTitle: metric.label, xLogarithmic: least > 0 && most / least >= 100, marks: true)
        let title = "\(metric.name.inWords) by \(axis.name.inWords)"
        add(
            "by-\(axis.name)-\(metric.name)", title, "At the last step. \(bandWords)",
            chart.element(title: title), chart.csv, from: "final.csv")
    }

    private mutating func bars(_ metric: ReportData.Column, along axis: ReportData.Column) {
        let values = data.values(metric)
        let chart = BarChart(
            heading: metric.label,
            xTitle: metric.label, series: [metric.name],
            groups: data.groups([axis]).map { group in
                let band = ReportStatistics.band(group.rows.map { values[$0] })
                return (group.words[0], [.init(value: band.middle, low: band.low, high: band.high)])
            })
        let title = "\(metric.name.inWords) by \(axis.name.inWords)"
        add(
            "by-\(axis.name)-\(metric.name)", title,
            "At the last step: medians, and the middle 90 % as whiskers.",
            chart.element(title: title), chart.csv, from: "final.csv")
    }

    // MARK: Samples

    private mutating func sampled(_ metric: ReportData.Column) {
        let values = data.values(metric)
        var ranks: [(name: String, bars: [BarChart.Bar])] = []
        for axis in data.axes where data.isNumeric(axis) {
            let x = data.final.numbers(axis.name) ?? []
            let correlation = ReportStatistics.rankCorrelation(x, values)
            ranks.append((axis.name.inWords, [.init(value: correlation)]))
            // Of the other metrics the ranks say enough.
            guard metric.name == data.main.name else { continue }
            let plot = ScatterPlot(
                points: zip(x, values).map { ($0, $1, nil) }, xTitle: axis.label,
                yTitle: metric.label, trend: trend(x, values))
            let title = "\(metric.name.inWords) by \(axis.name.inWords)"
            add(
                "scatter-\(axis.name)-\(metric.name)", title,
                "A dot a run; the line joins the medians of tenths.", plot.element(title: title),
                plot.csv, from: "final.csv")
        }
        if ranks.isEmpty { return }
        ranks.sort { abs($0.bars[0].value) > abs($1.bars[0].value) }
        let chart = BarChart(
            heading: metric.label,
            xTitle: "rank correlation", series: ["rank correlation"], groups: ranks)
        let title = "what moves \(metric.name.inWords)"
        add(
            "ranks-\(metric.name)", title,
            "Spearman's rank correlation: 1 where both always rise together.",
            chart.element(title: title), chart.csv, from: "final.csv")
    }

    /// Medians of tenths of the points, from left to right.
    private func trend(_ x: [Double], _ y: [Double]) -> [(Double, Double)] {
        let order = x.indices.sorted { x[$0] < x[$1] }
        let parts = min(10, order.count / 5)
        return (0..<max(0, parts)).map { part in
            let places = order[order.count * part / parts..<order.count * (part + 1) / parts]
            return (
                ReportStatistics.band(places.map { x[$0] }).middle,
                ReportStatistics.band(places.map { y[$0] }).middle
            )
        }
    }

    // MARK: Sensitivity

    private mutating func sobol(_ metric: ReportData.Column) {
        let first = data.index("first", of: metric.name)
        let total = data.index("total", of: metric.name)
        if first.isEmpty || total.isEmpty { return }
        let groups = total.sorted { $0.value > $1.value }.map { entry in
            let alone = first.first { $0.name == entry.name }
            return (
                name: entry.name.inWords,
                bars: [alone ?? entry, entry].map {
                    BarChart.Bar(value: $0.value, low: $0.low, high: $0.high)
                }
            )
        }
        let chart = BarChart(
            heading: metric.label,
            xTitle: "part of the variance", series: ["alone (first order)", "in all (total)"],
            groups: groups)
        let title = "what \(metric.name.inWords) depends on"
        add(
            "sobol-\(metric.name)", title,
            "Sobol indices; whiskers are 95 % bounds. In all less alone is what a parameter does "
                + "together with others.",
            chart.element(title: title), chart.csv, from: "indices.csv")
    }

    private mutating func morris(_ metric: ReportData.Column) {
        let strength = data.index("mu_star", of: metric.name)
        let spread = data.index("sigma", of: metric.name)
        if strength.isEmpty { return }
        let chart = BarChart(
            heading: metric.label,
            xTitle: "mean absolute effect over the whole range, \(metric.unit)",
            series: ["mean absolute effect"],
            groups: strength.sorted { $0.value > $1.value }.map {
                ($0.name.inWords, [.init(value: $0.value, low: $0.low, high: $0.high)])
            })
        let title = "what moves \(metric.name.inWords)"
        add(
            "morris-\(metric.name)", title,
            "Morris' screening: how much the result changes on average when one parameter moves.",
            chart.element(title: title), chart.csv, from: "indices.csv")
        if spread.isEmpty || metric.name != data.main.name { return }
        let plot = ScatterPlot(
            points: strength.compactMap { entry in
                spread.first { $0.name == entry.name }.map {
                    (entry.value, $0.value, entry.name.inWords)
                }
            }, xTitle: "mean absolute effect", yTitle: "spread of the effect")
        let spreadTitle = "effects on \(metric.name.inWords) and their spread"
        add(
            "morris-spread-\(metric.name)", spreadTitle,
            "High up: an effect that depends on where the others are.",
            plot.element(title: spreadTitle), plot.csv, from: "indices.csv")
    }

    // MARK: Inequality

    private mutating func lorenz() {
        guard let table = data.distribution, let groups = table.words("group"),
            let values = table.numbers("value")
        else { return }
        var lists: [(name: String, values: [Double])] = []
        for (group, value) in zip(groups, values) where value >= 0 {
            if let place = lists.firstIndex(where: { $0.name == group }) {
                lists[place].values.append(value)
            } else {
                lists.append((group, [value]))
            }
        }
        if lists.isEmpty { return }
        let curve = LorenzCurve(
            groups: Array(lists.prefix(PlotStyle.seriesCount)), about: "the sum")
        let title = "how unequal it is"
        add(
            "lorenz", title, "Lorenz curves: on the dashed line all would have the same.",
            curve.element(title: title), curve.csv, from: "the distribution that was given")
    }
}

extension ReportData {
    struct Index {
        let name: String
        let value: Double
        let low: Double
        let high: Double
    }

    /// The indices of one kind of a metric, one a parameter.
    func index(_ kind: String, of metric: String) -> [Index] {
        guard let table = indices, let metrics = table.words("metric"),
            let kinds = table.words("index"), let names = table.words("parameter"),
            let values = table.numbers("value")
        else { return [] }
        let (low, high) = (table.numbers("low"), table.numbers("high"))
        return names.indices.filter { metrics[$0] == metric && kinds[$0] == kind }
            .map {
                Index(
                    name: names[$0], value: values[$0], low: low?[$0] ?? .nan,
                    high: high?[$0] ?? .nan)
            }
    }
}
