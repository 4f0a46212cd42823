"""Small deliberate bugs, each of which some test must notice.

`test_mutants.py` applies them one by one. Change these lists with the code: an `old` that is not
found once is an error.
"""

from tests.mutants.mutant import Mutant
from tests.mutants.mutants_around import AROUND_MUTANTS
from tests.mutants.mutants_arrays import ARRAY_MUTANTS
from tests.mutants.mutants_brought import BROUGHT_MUTANTS
from tests.mutants.mutants_core import CORE_MUTANTS
from tests.mutants.mutants_data import DATA_MUTANTS
from tests.mutants.mutants_edges import EDGE_MUTANTS
from tests.mutants.mutants_estimators import ESTIMATOR_MUTANTS
from tests.mutants.mutants_experiments import EXPERIMENT_MUTANTS
from tests.mutants.mutants_exports import EXPORT_MUTANTS
from tests.mutants.mutants_files import FILE_MUTANTS
from tests.mutants.mutants_growl import GROWL_MUTANTS
from tests.mutants.mutants_hashes import HASH_MUTANTS
from tests.mutants.mutants_kernels import KERNEL_MUTANTS
from tests.mutants.mutants_layers import LAYER_MUTANTS
from tests.mutants.mutants_mixture import MIXTURE_MUTANTS
from tests.mutants.mutants_models import MODEL_MUTANTS
from tests.mutants.mutants_runs import RUN_MUTANTS
from tests.mutants.mutants_sharing import SHARING_MUTANTS
from tests.mutants.mutants_sources import SOURCE_MUTANTS
from tests.mutants.mutants_step import STEP_MUTANTS
from tests.mutants.mutants_training import TRAINING_MUTANTS

LISTS = (
    HASH_MUTANTS,
    KERNEL_MUTANTS,
    CORE_MUTANTS,
    STEP_MUTANTS,
    EDGE_MUTANTS,
    LAYER_MUTANTS,
    SOURCE_MUTANTS,
    ARRAY_MUTANTS,
    TRAINING_MUTANTS,
    MIXTURE_MUTANTS,
    MODEL_MUTANTS,
    GROWL_MUTANTS,
    DATA_MUTANTS,
    AROUND_MUTANTS,
    FILE_MUTANTS,
    BROUGHT_MUTANTS,
    RUN_MUTANTS,
    EXPERIMENT_MUTANTS,
    EXPORT_MUTANTS,
    SHARING_MUTANTS,
    ESTIMATOR_MUTANTS,
)
MUTANTS: list[Mutant] = [mutant for mutants in LISTS for mutant in mutants]
