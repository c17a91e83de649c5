// A scan in parts by Nextflow: a part has its name only when it is finished, 75 (saved) and kills are
// tried again, and the merge fails with 3 where a part is missing.
//   nextflow run scan/engines/nextflow.nf --corpus 'corpus/*.zst' --models /models --parts 8
nextflow.enable.dsl = 2
params.parts = 8
params.corpus = 'corpus/*.zst'
params.models = 'models'

process part {
    cpus 4
    memory { 2.GB * task.attempt }
    time '4h'
    errorStrategy { task.exitStatus in [75, 137, 143] ? 'retry' : 'terminate' }
    maxRetries 20

    input:
    val number
    path models
    path corpus

    output:
    path "part-${number}.db"

    // Each try begins in a new folder, so the part lies where the next one finds it.
    script:
    """
    mkdir -p '${workDir}/parts'
    gapscope scan --model ${models}/attn-only-1l --model ${models}/gelu-1l --threads ${task.cpus} \
        --part ${number}/${params.parts} --exit-again --restarts 3 \
        -o '${workDir}/parts/part-${number}.db' ${corpus}
    ln -s '${workDir}/parts/part-${number}.db' part-${number}.db
    """
}

process merge {
    publishDir '.', mode: 'copy'

    input:
    path parts

    output:
    path 'run.db'

    script:
    """
    gapscope merge --complete -o run.db ${parts}
    """
}

workflow {
    numbers = Channel.of(0..<params.parts)
    part(numbers, file(params.models), file(params.corpus))
    merge(part.out.collect())
}
