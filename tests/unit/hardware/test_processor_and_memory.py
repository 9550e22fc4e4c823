from __future__ import annotations

from localai.hardware.cpu import Cpu, detect_cpu, parse_cpuinfo
from localai.hardware.memory import Memory, detect_memory, parse_meminfo, within_limit
from tests.unit.hardware.recorded import Recorded, printed

RYZEN = """\
processor\t: {0}
vendor_id\t: AuthenticAMD
model name\t: AMD Ryzen 7 5800X 8-Core Processor
physical id\t: 0
core id\t\t: {1}
flags\t\t: fpu vme sse4_2 avx f16c fma avx2 sha_ni

"""
GRAVITON = """\
processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd aes asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU part\t: 0xd40

processor\t: 1
BogoMIPS\t: 2100.00
Features\t: fp asimd aes asimddp sve i8mm bf16
"""
MEMINFO = """\
MemTotal:       32768000 kB
MemFree:         1024000 kB
MemAvailable:   20480000 kB
Buffers:          204800 kB
"""
VM_STAT = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            400000.
Pages inactive:                          390000.
Pages speculative:                         1000.
"""


def test_threads_of_one_core_count_once() -> None:
    text = "".join(RYZEN.format(thread, thread // 2) for thread in range(4))

    assert parse_cpuinfo(text, "x86_64") == Cpu(
        "AMD Ryzen 7 5800X 8-Core Processor", 2, ("sse4_2", "avx", "f16c", "fma", "avx2")
    )


def test_arm_names_no_model_and_no_places() -> None:
    cpu = parse_cpuinfo(GRAVITON, "aarch64")

    assert (cpu.model, cpu.cores) == ("aarch64", 2)
    assert set(cpu.features) == {"asimd", "asimddp", "i8mm", "bf16", "sve"}


def test_a_machine_that_tells_nothing_still_has_a_core() -> None:
    assert parse_cpuinfo("", "riscv64") == Cpu("riscv64", 1, ())
    assert detect_memory(Recorded()) == Memory(0, 0)


def test_memory_is_what_a_new_program_can_have() -> None:
    assert parse_meminfo(MEMINFO) == Memory(32768000 * 1024, 20480000 * 1024)


def test_a_limit_can_be_of_more_than_there_is() -> None:
    memory = parse_meminfo(MEMINFO)

    assert within_limit(memory, 9223372036854771712, 1) == memory
    assert within_limit(memory, 2**33, 2**33 - 5) == Memory(2**33, 5)


def test_a_mac_is_asked_in_its_own_way() -> None:
    probe = Recorded(
        {
            "sysctl machdep": printed("machdep.cpu.brand_string: Apple M2\nhw.physicalcpu: 8\n"),
            "sysctl -n hw.memsize": printed("17179869184\n"),
            "vm_stat": printed(VM_STAT),
        },
        about=("Darwin", "arm64"),
    )

    assert detect_cpu(probe) == Cpu("Apple M2", 8, ("asimd",))
    assert detect_memory(probe) == Memory(16 * 2**30, 401000 * 16384)
