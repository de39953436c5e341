"""The machinery of the experiments; the experiments themselves are the modules beside this folder.

    framework   what an experiment is given and returns, its record, and how it is run
    figures     the style of every figure
    provenance  versions, commit and machine, for a record
    report      one HTML page of all records
    readme      the tables of the README
"""
