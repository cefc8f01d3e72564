"""What each node and its machine have left: disk, memory, processors, network."""

from .parts import (CHOOSE_CLUSTER, CHOOSE_MACHINE, CHOOSE_NODE, GREEN, MACHINE, NODE, ORANGE, RATE, RED, UP_DOWN, YES_NO,
                    dashboard, graph, number, query, row, thresholds, timeline)

NAME = "{{cluster}} {{node}}"
DISKS = f'{MACHINE},device!~"loop.*|ram.*|sr.*|fd.*"'
NETWORKS = f'{MACHINE},device!~"lo|veth.*|br-.*|docker.*"'


def programs():
    return [
        row("Nodes"),
        timeline("Keepers", "Whether each keeper answers Prometheus.",
                 query(f'max by (cluster, node) (up{{job="pgaf-keeper",{NODE}}})', NAME), mappings=UP_DOWN, size=(12, 7)),
        timeline("Data disks take writes", "What the keepers' own small write each second says.",
                 query(f"min by (cluster, node) (pgaf_keeper_disk_writable{{{NODE}}})", NAME), mappings=YES_NO, size=(12, 7)),
        graph("Free on the data disk", "Share that is free. The lines: the alerts.",
              query(f"node:pgaf_keeper_data_disk_free:ratio{{{NODE}}}", NAME), unit="percentunit", most=1,
              steps=thresholds(RED, (0.05, ORANGE), (0.15, GREEN))),
        graph("Data disk", "Size, and what is free.",
              query(f"max by (cluster, node) (pgaf_keeper_data_disk_free_bytes{{{NODE}}})", NAME + " free"),
              query(f"max by (cluster, node) (pgaf_keeper_data_disk_size_bytes{{{NODE}}})", NAME + " size"), unit="bytes"),
        graph("Memory of keepers", "Resident.",
              query(f'max by (cluster, node) (process_resident_memory_bytes{{job="pgaf-keeper",{NODE}}})', NAME), unit="bytes"),
        graph("Processor time of keepers", "Share of one processor.",
              query(f'max by (cluster, node) (rate(process_cpu_seconds_total{{job="pgaf-keeper",{NODE}}}{RATE}))', NAME),
              unit="percentunit"),
    ]


def machine():
    return [
        row("Machines: processors and memory"),
        number("Processors", "Cores.",
               query(f'count by (instance) (node_cpu_seconds_total{{{MACHINE},mode="idle"}})', "{{instance}}"), size=(6, 4)),
        number("Memory", "Of the machine.", query(f"node_memory_MemTotal_bytes{{{MACHINE}}}", "{{instance}}"), unit="bytes",
               size=(6, 4)),
        number("Memory available", "What programs can still have. Red: the alert.",
               query(f"instance:node_memory_available:ratio{{{MACHINE}}}", "{{instance}}"), unit="percentunit",
               steps=thresholds(RED, (0.1, ORANGE), (0.2, GREEN)), size=(6, 4)),
        number("Running since", "When the machine was started.",
               query(f"1000 * node_boot_time_seconds{{{MACHINE}}}", "{{instance}}"), unit="dateTimeAsIso", size=(6, 4)),
        graph("Processor time", "Share of all cores, by what they do.",
              query(f'sum by (instance, mode) (rate(node_cpu_seconds_total{{{MACHINE},mode!="idle"}}{RATE})) / on (instance) '
                    f'group_left () count by (instance) (node_cpu_seconds_total{{{MACHINE},mode="idle"}})',
                    "{{instance}} {{mode}}"), unit="percentunit", stack=True, most=1),
        graph("Load", "Processes that run or want to; above the number of cores they wait.",
              query(f"node_load1{{{MACHINE}}}", "{{instance}} 1 min"), query(f"node_load5{{{MACHINE}}}", "{{instance}} 5 min")),
        graph("Memory by use", "Available, in the page cache, and free.",
              query(f"node_memory_MemAvailable_bytes{{{MACHINE}}}", "{{instance}} available"),
              query(f"node_memory_Cached_bytes{{{MACHINE}}}", "{{instance}} cache"),
              query(f"node_memory_MemFree_bytes{{{MACHINE}}}", "{{instance}} free"), unit="bytes"),
        graph("Free on file systems", "Share that is free. The line: the alert.",
              query(f"instance:node_filesystem_free:ratio{{{MACHINE}}}", "{{instance}} {{mountpoint}}"), unit="percentunit",
              most=1, steps=thresholds(RED, (0.1, GREEN))),
    ]


def disks():
    return [
        row("Machines: disks and network"),
        graph("Disk throughput", "Bytes a second.",
              query(f"rate(node_disk_read_bytes_total{{{DISKS}}}{RATE})", "{{instance}} {{device}} read"),
              query(f"rate(node_disk_written_bytes_total{{{DISKS}}}{RATE})", "{{instance}} {{device}} written"), unit="Bps"),
        graph("Disk busy", "Share of the time in which a request was under way.",
              query(f"rate(node_disk_io_time_seconds_total{{{DISKS}}}{RATE})", "{{instance}} {{device}}"), unit="percentunit"),
        graph("Time of one write", "Mean, as the kernel measures it.",
              query(f"rate(node_disk_write_time_seconds_total{{{DISKS}}}{RATE}) / "
                    f"(rate(node_disk_writes_completed_total{{{DISKS}}}{RATE}) > 0)", "{{instance}} {{device}}"), unit="s"),
        graph("Network", "Bytes a second, without the machine's own inner networks.",
              query(f"rate(node_network_receive_bytes_total{{{NETWORKS}}}{RATE})", "{{instance}} {{device}} received"),
              query(f"rate(node_network_transmit_bytes_total{{{NETWORKS}}}{RATE})", "{{instance}} {{device}} sent"), unit="Bps"),
    ]


def build():
    return dashboard(
        "pgaf-node-resources", "pgaf: nodes and resources",
        "What each node and its machine have left: disk, memory, processors, network.",
        [CHOOSE_CLUSTER, CHOOSE_NODE, CHOOSE_MACHINE], programs() + machine() + disks())
